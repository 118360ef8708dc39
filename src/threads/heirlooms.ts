import type { Inherited } from '../flow/listeners.js';
import type { Heirloom } from './handover.js';

/**
 * Which of `threads` threads listens with which inherited sockets. All of them stay open, as clients wait in the queue of each.
 * With fewer sockets than threads some share one, but not of UDP: a flow belongs to the thread that has its socket.
 */
export function spread(heirlooms: readonly Heirloom[], threads: number): Inherited[][] {
  return Array.from({ length: threads }, (_, thread) =>
    heirlooms.map(({ key, protocol, address, fds }) => {
      const own = fds.filter((_, i) => i % threads === thread);
      const shared = own.length === 0 && protocol === 'tcp' ? [fds[thread % fds.length]!] : own;
      return { key, address, fds: shared, owned: own.length > 0 };
    }),
  );
}

/** The sockets of all threads, address by address. Threads that share one name it once: they have it under numbers of their own. */
export function gather(lists: readonly (readonly Heirloom[])[]): Heirloom[] {
  const found = new Map<string, Heirloom>();
  for (const one of lists.flat()) {
    const known = found.get(one.key);
    if (known === undefined) found.set(one.key, one);
    else if (one.address.kind === 'ip') found.set(one.key, { ...known, fds: [...known.fds, ...one.fds] });
  }
  return [...found.values()];
}

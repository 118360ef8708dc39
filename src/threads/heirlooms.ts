import type { Inherited } from '../flow/listeners.js';
import type { Heirloom } from './handover.js';

/**
 * Which of `threads` threads listens with which inherited sockets. All of them stay open, as clients wait in the queue of each.
 * With fewer sockets than threads some share one, but not of UDP: a flow belongs to the thread that has its socket.
 */
export function spread(heirlooms: readonly Heirloom[], threads: number): Map<string, Inherited>[] {
  return Array.from({ length: threads }, (_, thread) => {
    const list = heirlooms.map(({ key, protocol, address, fds }) => {
      const own = fds.filter((_, i) => i % threads === thread);
      const shared = own.length === 0 && protocol === 'tcp' ? [fds[thread % fds.length]!] : own;
      return { key, address, fds: shared, owned: own.length > 0 };
    });
    return new Map(list.map(one => [one.key, one]));
  });
}

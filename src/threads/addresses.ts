import { type Inherited, listenKeys, type Sockets } from '../flow/listeners.js';
import type { Plan } from '../pool/plan.js';
import type { Heirloom } from './handover.js';

/** What one thread listens with, by the key of the address. */
export type Listens = ReadonlyMap<string, Inherited>;

export const NOTHING: Listens = new Map();

/** The addresses that a data plane has, and with which descriptors each thread listens there: what one that joins in needs. */
export class Addresses {
  /** They outlive the threads that have opened them. */
  private readonly known = new Map<string, Inherited>();
  private readonly sockets = new Map<number, Map<string, Sockets>>();

  /** The thread has opened these. */
  add(thread: number, bound: readonly Sockets[]): void {
    const own = this.sockets.get(thread) ?? new Map<string, Sockets>();
    this.sockets.set(thread, own);
    for (const one of bound) {
      own.set(one.key, one);
      this.known.set(one.key, { key: one.key, address: one.address });
    }
  }

  /** All but the plan's addresses are closed. */
  retain(plan: Plan | undefined): void {
    const keys = new Set(plan?.services.flatMap(listenKeys));
    for (const map of [this.known, ...this.sockets.values()]) {
      for (const key of map.keys()) if (!keys.has(key)) map.delete(key);
    }
  }

  /** The thread has died; what it listened with. */
  remove(thread: number): Listens {
    const own = this.sockets.get(thread) ?? NOTHING;
    this.sockets.delete(thread);
    return own;
  }

  /**
   * For a thread that joins in. What was `left` to it is its alone. Addresses are bound again by each thread; a unix
   * socket has one queue for all.
   */
  joining(left: Listens): Inherited[] {
    const others = Array.from(
      this.known.values(),
      one => left.get(one.key) ?? { ...one, ...this.shared(one) },
    );
    return [...others, ...[...left.values()].filter(({ key }) => !this.known.has(key))];
  }

  /** The sockets of all threads, address by address. A unix socket is one, under a number of each thread's own. */
  get all(): Heirloom[] {
    const threads = [...this.sockets].sort(([a], [b]) => a - b).map(([, own]) => own);
    return Array.from(this.known.values(), ({ key, address }) => {
      const lists = threads.flatMap(own => own.get(key) ?? []);
      const fds = lists.flatMap(one => one.fds);
      return {
        key,
        address,
        protocol: lists[0]?.protocol ?? 'tcp',
        fds: address.kind === 'unix' ? fds.slice(0, 1) : fds,
        owned: lists.some(({ owned }) => owned),
      };
    });
  }

  /** For each of `threads` and each address the place of its first socket in `all`. */
  places(threads: number): Map<string, number>[] {
    const next = new Map<string, number>();
    return Array.from({ length: threads }, (_, thread) => {
      const first = new Map<string, number>();
      for (const { key, fds } of this.sockets.get(thread)?.values() ?? []) {
        first.set(key, next.get(key) ?? 0);
        next.set(key, first.get(key)! + fds.length);
      }
      return first;
    });
  }

  private shared({ key, address }: Inherited): { fds?: readonly number[] } {
    if (address.kind === 'ip') return {};
    for (const own of this.sockets.values()) {
      const found = own.get(key);
      if (found !== undefined) return { fds: found.fds };
    }
    return {};
  }
}

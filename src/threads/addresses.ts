import { type Inherited, listenKeys } from '../flow/listeners.js';
import type { Plan } from '../pool/plan.js';

/** A thread's listening sockets by the key of their address. */
export type Sockets = ReadonlyMap<string, Required<Inherited>>;

export const NO_SOCKETS: Sockets = new Map();

/** The addresses that a data plane has, and with which descriptor each thread listens there: what one that joins in needs. */
export class Addresses {
  /** Ports outlive the threads that chose them. */
  private readonly ports = new Map<string, number>();
  private readonly sockets = new Map<number, Map<string, Required<Inherited>>>();

  /** The thread has opened these. */
  add(thread: number, bound: readonly Required<Inherited>[]): void {
    const own = this.sockets.get(thread) ?? new Map<string, Required<Inherited>>();
    this.sockets.set(thread, own);
    for (const one of bound) {
      own.set(one.key, one);
      this.ports.set(one.key, one.port);
    }
  }

  /** All but the plan's addresses are closed. */
  retain(plan: Plan | undefined): void {
    const keys = new Set(plan?.services.flatMap(listenKeys));
    for (const map of [this.ports, ...this.sockets.values()]) {
      for (const key of map.keys()) if (!keys.has(key)) map.delete(key);
    }
  }

  /** The thread has died; what it listened with. */
  remove(thread: number): Sockets {
    const own = this.sockets.get(thread) ?? NO_SOCKETS;
    this.sockets.delete(thread);
    return own;
  }

  /**
   * For a thread that joins in. What a dead one has left is its alone. Addresses are bound again by each thread; a unix
   * socket has one queue for all.
   */
  known(left: Sockets): Inherited[] {
    return Array.from(this.ports, ([key, port]) => left.get(key) ?? { key, port, ...this.shared(key, port) });
  }

  private shared(key: string, port: number): { fd?: number } {
    if (port !== 0) return {};
    for (const own of this.sockets.values()) {
      const found = own.get(key);
      if (found !== undefined) return { fd: found.fd };
    }
    return {};
  }
}

import type { Sockets } from '../flow/listeners.js';

/**
 * The sockets of one listen address, from one process to its successor: one a data-plane thread (SO_REUSEPORT), one for a
 * unix socket. All of them stay open in the successor, however many threads it has: clients wait in the queue of each, and
 * the kernel chooses among them by their number. The descriptors are the plane's own: whoever passes them on leaves them open.
 */
export type Heirloom = Sockets;

/**
 * Descriptors and what is known about them. `data` can be cloned (structuredClone) and means something to the data plane only;
 * it speaks of descriptors by their place in `fds`. Whoever carries a bundle to another process puts that process's own
 * descriptors into `fds`, in the same order.
 */
export interface Bundle {
  readonly fds: readonly number[];
  readonly data: unknown;
}

/** What the successor has now. */
export interface Kept {
  readonly connections: number;
  readonly flows: number;
  /** What could not be taken over, in words, one thought a line; it was closed. */
  readonly lost: readonly string[];
}

/**
 * A data plane that can give its open connections to another process, and take them. Slots mean the same in both. Times are
 * monotonic milliseconds (monotonic.ts), one clock for all processes of a machine.
 *
 * Giving: `copy` as often as wanted, then `freeze`; then `leave`, or `thaw`, which may also come before `freeze`. The descriptors
 * of a bundle are good until the next of these calls: by then they must have been sent.
 * Taking: started on standby, `prepare` with what is inherited, `commit`, `adopt` for each copy, `complete` with what `freeze`
 * gave, then the plane's `go`. Nothing is read, written or accepted before that.
 */
export interface Handover {
  /** What has begun since the last call (everything at the first). It goes on here meanwhile. The descriptors stay this process's. */
  copy(): Promise<Bundle>;
  /** Stop between two events: nothing is in flight in memory but what the bundle tells. What has changed since it was copied. */
  freeze(): Promise<Bundle>;
  /** Go on as if nothing had happened: what was copied is this process's alone again. The other one must have ended. */
  thaw(): Promise<void>;
  /** The other process serves: end the threads and close what they have, without a word to anybody. Only `destroy` may follow. */
  leave(): Promise<void>;
  /** Get ready to go on with what the other process still serves. The descriptors are this plane's from here on. */
  adopt(bundle: Bundle): Promise<void>;
  /** Bring what was adopted up to date; close what is over meanwhile. Places and counts are taken in the table here. */
  complete(bundle: Bundle): Promise<Kept>;
}

import type { Listening } from '../flow/listeners.js';
import type { ConnectionList, ConnectionQuery } from '../flow/listing.js';
import type { Plan } from '../pool/plan.js';
import type { CloseReason } from '../pool/reasons.js';
import type { Handover, Heirloom } from './handover.js';

/** The data plane as the control plane sees it: in this thread, or in several others. */
export interface Plane {
  readonly engine: 'net' | 'epoll';
  readonly threads: number;
  /** Absent where connections cannot be handed over (net). */
  readonly handover?: Handover;
  /** The listening sockets. */
  heirlooms(): Promise<readonly Heirloom[]>;
  /**
   * Load and open what the plan needs; changes nothing. Rejects with Lb4Error. Then `commit` or `abandon`. `inherited`: sockets
   * that listen already; the plane's own from here on, which closes those that the plan has no use for.
   */
  prepare(plan: Plan, inherited?: readonly Heirloom[]): Promise<void>;
  commit(plan: Plan): Promise<readonly Listening[]>;
  abandon(): Promise<void>;
  /** For one that was started on standby: serve. Until then it accepts, reads and sends nothing. Resolves to when it began, monotonic ms. */
  go(): Promise<number>;
  /** `handedOver`: another process has the listening sockets and goes on with them; UDP flows end, since theirs are the same. */
  stopAccepting(handedOver?: boolean): Promise<void>;
  /** Backends may be usable that were not: those who wait for one look. May be called often. */
  look(): void;
  /** End the connections of a backend, or all (`slot` -1), at `perSecond` (may be Infinity). */
  close(slot: number, perSecond: number, reason: CloseReason): void;
  /** The connections or flows of a service, as far as they are wanted. */
  connections(query: ConnectionQuery): Promise<ConnectionList>;
  /** End these connections of the service in this slot now; resolves to how many of them were still there. */
  end(service: number, ids: readonly number[], reason: CloseReason, detail: string): Promise<number>;
  /** Bring the totals up to date and hand over all records; done when it resolves. Threads do so by themselves each second. */
  settle(): Promise<void>;
  /** Whether finished connections are to be reported one by one. */
  wantRecords(wanted: boolean): void;
  destroy(reason: CloseReason): Promise<void>;
}

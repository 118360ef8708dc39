import type { Peer } from '../address.js';
import type { CloseReason } from '../pool/reasons.js';

/** A connection or UDP flow that has ended. Valid during the call only: whoever keeps it copies what it needs. */
export interface Finished {
  readonly serviceSlot: number;
  readonly service: string;
  readonly client: Peer;
  /** Slot and id of the backend that served it, or the last one tried; -1 and '' when none was picked. */
  readonly backendSlot: number;
  readonly backend: string;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** How long connecting to the backend took, ms; -1 when it was never connected. */
  readonly connectMs: number;
  readonly durationMs: number;
  /** Backends dialled. */
  readonly attempts: number;
  readonly reason: CloseReason;
  /** More to say about the reason: what was wrong with a header, why a dial failed. Escaped already; may be empty. */
  readonly detail: string;
}

/** What the data plane tells the control plane. Calls may come often and must be quick. */
export interface PlaneSink {
  finished(record: Finished): void;
  /** Real traffic failed `passiveFailures` times in a row at this backend. */
  backendFailing(slot: number, reason: string): void;
  /** This machine lacks something (descriptors, ports). May come at every connection: rate-limit it. */
  trouble(reason: string): void;
}

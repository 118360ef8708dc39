import type { Share, Taken } from '../flow/incoming.js';
import type { Inherited, Listening, Sockets } from '../flow/listeners.js';
import type { ConnectionList, ConnectionQuery } from '../flow/listing.js';
import type { Export } from '../flow/outgoing.js';
import type { Plan } from '../pool/plan.js';
import type { CloseReason } from '../pool/reasons.js';
import type { TableBuffers } from '../pool/table.js';
import type { RecordBatch } from './records.js';

/** What a data-plane thread gets when it starts. */
export interface ThreadInit {
  readonly index: number;
  readonly threads: number;
  readonly table: TableBuffers;
  readonly ledger: SharedArrayBuffer;
  /** Eventfds: one that the control plane writes to when there is a message, and one a thread that other threads write to. */
  readonly wakeFd: number;
  readonly bells: readonly number[];
  /** Serve nothing until `go`. */
  readonly standby: boolean;
}

/** What thread `source` of another process gives, and which part of it is for the thread that gets this. */
export interface Delivery {
  readonly source: number;
  readonly from: Export;
  readonly share: Share;
}

/** What the control plane asks of a thread; each is answered by a `reply` with the same id. */
export type Request =
  | { readonly type: 'prepare'; readonly plan: Plan; readonly inherited: readonly Inherited[] }
  | { readonly type: 'commit'; readonly plan: Plan }
  | { readonly type: 'abandon' }
  | { readonly type: 'go' }
  | { readonly type: 'copy'; readonly first: boolean; readonly most: number }
  | { readonly type: 'rehearse'; readonly most: number }
  | { readonly type: 'freeze' }
  | { readonly type: 'thaw' }
  | { readonly type: 'adopt'; readonly deliveries: readonly Delivery[] }
  | { readonly type: 'complete'; readonly deliveries: readonly Delivery[] }
  | { readonly type: 'stopAccepting'; readonly handedOver: boolean }
  | {
      readonly type: 'close';
      readonly slot: number;
      readonly perSecond: number;
      readonly reason: CloseReason;
    }
  | { readonly type: 'list'; readonly query: ConnectionQuery }
  | {
      readonly type: 'end';
      readonly service: number;
      readonly ids: readonly number[];
      readonly reason: CloseReason;
      readonly detail: string;
    }
  | { readonly type: 'settle' }
  | { readonly type: 'records'; readonly wanted: boolean }
  | { readonly type: 'destroy'; readonly reason: CloseReason };

export type Numbered = Request & { readonly id: number };

export type Answer =
  | { readonly type: 'prepared'; readonly bound: readonly Sockets[] }
  | { readonly type: 'exported'; readonly given: Export }
  | { readonly type: 'taken'; readonly taken: Taken }
  | { readonly type: 'committed'; readonly listening: readonly Listening[] }
  | { readonly type: 'listed'; readonly list: ConnectionList }
  | { readonly type: 'ended'; readonly count: number }
  /** It serves since then, monotonic ms. */
  | { readonly type: 'gone'; readonly at: number }
  | { readonly type: 'done' };

export type Message =
  | { readonly type: 'ready' }
  | { readonly type: 'reply'; readonly id: number; readonly answer: Answer }
  | { readonly type: 'failed'; readonly id: number; readonly code: string; readonly message: string }
  | { readonly type: 'records'; readonly batch: RecordBatch }
  | { readonly type: 'backendFailing'; readonly slot: number; readonly reason: string }
  | { readonly type: 'fault'; readonly fault: object }
  | { readonly type: 'trouble'; readonly reason: string };

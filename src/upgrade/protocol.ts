import type { AdminHeirloom } from '../admin/admin.js';
import type { Estate, Outline } from '../control/estate.js';
import type { PassedSocket } from '../pool/plan.js';
import type { Heirloom, Kept } from '../threads/handover.js';

/**
 * The version of what two processes say to each other, and of what they mean by it: both have to have the same one. It grows
 * when an older program could misunderstand something.
 */
export const HANDOVER = 1;

/** In the environment of a process that is to take over from its parent. */
export const SUCCEEDS = 'LB4_SUCCEEDS';

/**
 * What the old process says. Descriptors are told by their numbers in the new process; those of connections come through the
 * channel, `count` of them, in the bundle's order.
 */
export type FromPredecessor =
  | {
      readonly type: 'manifest';
      readonly version: string;
      /** With its configuration packed (config/carry.ts). */
      readonly outline: Outline;
      readonly listeners: readonly Heirloom[];
      readonly sockets: readonly PassedSocket[];
      readonly admin: AdminHeirloom | undefined;
      /** One end of the channel for descriptors; -1 = connections cannot be handed over. */
      readonly channel: number;
    }
  /** With the estate as it is now, for practice: what was done once is quicker the second time, when connections stand still. */
  | { readonly type: 'copy'; readonly data: unknown; readonly count: number; readonly estate: Estate }
  /** It has stopped: this is how everything stands. Without a bundle only listeners change hands. */
  | {
      readonly type: 'final';
      readonly estate: Estate;
      readonly bundle: { readonly data: unknown; readonly count: number } | undefined;
    }
  /** From here on everything is the new process's. Whoever has not received this serves nobody. */
  | { readonly type: 'go' }
  /** The service manager and everybody else know of the new process; what there is to tell. */
  | { readonly type: 'lead'; readonly freezeMs: number | null };

/** What the new process says. */
export type FromSuccessor =
  | { readonly type: 'hello'; readonly handover: number; readonly version: string }
  /** It can do what it has to: configuration read and rehearsed, listeners there, threads on standby. */
  | { readonly type: 'prepared'; readonly connections: boolean; readonly engine: string }
  | { readonly type: 'copied' }
  | { readonly type: 'ack'; readonly kept: Kept }
  /** It serves, since `at` (monotonic ms). */
  | { readonly type: 'running'; readonly at: number }
  /** Its own configuration is in force: what that changed, in words. */
  | { readonly type: 'done'; readonly changes: readonly string[] }
  /** It cannot: why, a line for each fault. `code` as in errors.ts. */
  | { readonly type: 'refused'; readonly code: string; readonly reasons: readonly string[] };

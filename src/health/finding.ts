import type { Claim } from './claim.js';

export type Role = 'primary' | 'replica';

/** What a probe learned about a server that is well. Nothing, for kinds that only look whether it answers. */
export interface Finding {
  /** Undefined where the kind has no roles or the server would not say. */
  readonly role?: Role;
  /** Why the server did not tell its role, in words. */
  readonly roleFault?: string;
  /** A replica's distance from its primary in time, ms, as the replica knows it; Infinity = it has no link to judge by. */
  readonly lagMs?: number;
  /** What a primary can show for being one. */
  readonly claim?: Claim;
}

/** The finding of a kind that has nothing to say but that the server is well. */
export const WELL: Finding = Object.freeze({});

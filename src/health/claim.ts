/**
 * What a server that says that it is the primary can show for it. Two servers that both say so have to be told apart:
 * a PostgreSQL promotion begins a new timeline, a Redis promotion a new history that names the one it came out of.
 */
export interface Claim {
  /** PostgreSQL: the database cluster, and its timeline. Timelines of different clusters cannot be compared. */
  readonly cluster?: string;
  readonly timeline?: number;
  /** Redis: its replication history, and the one it was promoted out of. */
  readonly history?: string;
  readonly parent?: string;
  /** How far it has written: place in the write-ahead log, or replication offset. */
  readonly position?: bigint;
}

/** True when `a` was promoted after `b`, so that `b` is out of date. Pure. */
export function isNewer(a: Claim, b: Claim): boolean {
  if (a.parent !== undefined && a.parent === b.history) return true;
  if (a.timeline === undefined || b.timeline === undefined || a.cluster !== b.cluster) return false;
  return a.timeline > b.timeline;
}

/** True when `a` has written more than `b`. Pure. */
export function isFurther(a: Claim, b: Claim): boolean {
  return (a.position ?? 0n) > (b.position ?? 0n);
}

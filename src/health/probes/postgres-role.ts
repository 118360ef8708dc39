import type { Claim } from '../claim.js';
import type { Finding } from '../finding.js';
import { quoteBytes } from './bytes.js';
import { ProbeError } from './probe.js';

/** Everything that is asked, in one round trip; all of it as text. From PostgreSQL 10 on, without any privilege. */
export const QUESTION = `select pg_is_in_recovery()::text as replica,
  (select system_identifier::text from pg_control_system()) as cluster,
  case when not pg_is_in_recovery() then pg_walfile_name(pg_current_wal_lsn()) end as walfile,
  case when not pg_is_in_recovery() then pg_current_wal_lsn()::text end as written,
  pg_last_wal_receive_lsn()::text as received,
  pg_last_wal_replay_lsn()::text as replayed,
  exists(select from pg_stat_wal_receiver)::text as streaming,
  (extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000)::text as behind`;

/** For servers that know no more, or do not tell. */
export const SHORT_QUESTION = 'select pg_is_in_recovery()::text as replica';

/** An answer's row: names to text, or null. Untrusted. */
export type Row = Readonly<Record<string, unknown>>;

/** Samples that are kept while nothing is replayed. */
const MAX_SAMPLES = 256;

/**
 * A replica's role and lag, from one answer after the other.
 *
 * `pg_last_xact_replay_timestamp` alone is no lag: it stands still while the primary is idle, and while it writes
 * without committing. So a replica that streams and has replayed all that it received is not behind at all; and one that
 * has replayed what it had received t ago is behind by t at most.
 */
export class ReplicaClock {
  /** What had been received when, oldest first. */
  private readonly samples: { at: number; received: bigint }[] = [];

  /** Make a finding of a row that was answered at `now`, monotonic ms. Throws ProbeError when it is none. */
  read(row: Row, now: number): Finding {
    const replica = row.replica;
    if (replica !== 'true' && replica !== 'false') {
      const found = quoteBytes(Buffer.from(String(replica)));
      throw new ProbeError(`expected true or false from pg_is_in_recovery(), got ${found}`);
    }
    if (replica === 'false') return { role: 'primary', claim: claimOf(row) };
    return { role: 'replica', lagMs: this.lag(row, now) };
  }

  /** Undefined where the server does not say. */
  private lag(row: Row, now: number): number | undefined {
    const replayed = position(row.replayed);
    if (row.streaming === undefined) return undefined;
    const behind = milliseconds(row.behind);
    const received = position(row.received);
    if (row.streaming !== 'true' || received === undefined || replayed === undefined) return behind;
    if (replayed >= received) {
      this.samples.length = 0;
      return 0;
    }
    return Math.min(behind, this.atMost(replayed, received, now));
  }

  /** The time since what is replayed by now was the last that had been received. */
  private atMost(replayed: bigint, received: bigint, now: number): number {
    const { samples } = this;
    samples.push({ at: now, received });
    const behind = samples.findIndex(sample => sample.received > replayed);
    samples.splice(0, Math.max(behind - 1, samples.length - MAX_SAMPLES, 0));
    const [oldest] = samples;
    return oldest !== undefined && oldest.received <= replayed ? now - oldest.at : Number.POSITIVE_INFINITY;
  }
}

/** A file of the write-ahead log begins with its timeline: the current one at once, where pg_control would lag behind. */
function claimOf({ cluster, walfile, written }: Row): Claim {
  const match = /^([0-9A-F]{8})[0-9A-F]{16}$/.exec(typeof walfile === 'string' ? walfile : '');
  return {
    cluster: typeof cluster === 'string' && /^\d{1,20}$/.test(cluster) ? cluster : undefined,
    timeline: match === null ? undefined : Number.parseInt(match[1]!, 16),
    position: position(written),
  };
}

/** A place in the write-ahead log, `16/B374D848`, as a number. */
export function position(text: unknown): bigint | undefined {
  const match = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i.exec(typeof text === 'string' ? text : '');
  return match === null ? undefined : (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`);
}

/** Infinity where no transaction was ever replayed. A clock that is ahead of the primary's makes nobody early. */
function milliseconds(text: unknown): number {
  const found = typeof text === 'string' ? Number(text) : Number.NaN;
  return Number.isFinite(found) ? Math.max(0, found) : Number.POSITIVE_INFINITY;
}

import { SpinLock } from '../pool/lock.js';
import type { RateCell } from '../pool/table.js';

/** Float additions such as 10 × 0.1 may fall this little short of a whole token; nobody waits another turn for it. */
const ROUNDING = 1e-9;

/** Tokens in a bucket that held `tokens` at `last`; times in ms, never more than `burst`. */
export function refill(tokens: number, last: number, now: number, perSecond: number, burst: number): number {
  return now > last ? Math.min(burst, tokens + ((now - last) * perSecond) / 1000) : tokens;
}

/** Whether a bucket has a token to give. */
export function hasToken(tokens: number): boolean {
  return tokens >= 1 - ROUNDING;
}

/** How many tokens a bucket holds unless told otherwise: one second's worth, at least one. */
export function defaultBurst(perSecond: number): number {
  return Math.max(1, perSecond);
}

/**
 * A token bucket: at most `burst + perSecond × t` events in any `t` seconds. Refilled when asked, without timers.
 * `perSecond` may be a fraction (10 a minute is 10 / 60); 0 means no limit. `burst` is at least 1.
 *
 * Limits in several threads on one cell are one limit. The cell says what was taken, not what is left: a limit that
 * changes finds in it what counts for the new one too.
 */
export class RateLimit {
  readonly perSecond: number;
  readonly burst: number;
  private readonly cell: RateCell;

  constructor(
    perSecond: number,
    burst: number = defaultBurst(perSecond),
    cell: RateCell = { lock: new SpinLock(new Int32Array(1), 0, 0), bucket: new Float64Array(2) },
  ) {
    this.perSecond = perSecond;
    this.burst = Math.max(1, burst);
    this.cell = cell;
  }

  /**
   * Count one event if it is within the rate; `now` in ms of a monotonic clock, the same in all threads. A refused event
   * costs nothing.
   */
  take(now: number): boolean {
    if (this.perSecond === 0) return true;
    const { burst, cell } = this;
    const { lock, bucket } = cell;
    lock.acquire();
    const last = bucket[1]!;
    const tokens = refill(Math.max(0, burst - bucket[0]!), last, now, this.perSecond, burst);
    const taken = hasToken(tokens);
    // The time first: a thread that dies in between has given nothing away twice.
    bucket[1] = Math.max(last, now);
    bucket[0] = burst - tokens + (taken ? 1 : 0);
    lock.release();
    return taken;
  }
}

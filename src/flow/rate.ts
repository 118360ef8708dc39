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
 */
export class RateLimit {
  readonly perSecond: number;
  readonly burst: number;
  private tokens: number;
  private last = Number.NEGATIVE_INFINITY;

  constructor(perSecond: number, burst: number = defaultBurst(perSecond)) {
    this.perSecond = perSecond;
    this.burst = Math.max(1, burst);
    this.tokens = this.burst;
  }

  /** Count one event if it is within the rate; `now` in ms of a monotonic clock. A refused event costs nothing. */
  take(now: number): boolean {
    if (this.perSecond === 0) return true;
    this.tokens = refill(this.tokens, this.last, now, this.perSecond, this.burst);
    this.last = Math.max(this.last, now);
    if (!hasToken(this.tokens)) return false;
    this.tokens -= 1;
    return true;
  }
}

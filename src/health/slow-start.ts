import type { Cancel, Clock } from '../clock.js';

/** Steps from nothing to the full weight; each makes the pickers rebuild, so there are few. */
export const RAMP_STEPS = 20;

/**
 * Share of the weight in effect `elapsed` ms into a slow start of `total` ms: a staircase of RAMP_STEPS steps from
 * 1/RAMP_STEPS (never 0: a single backend must still be picked) to 1.
 */
export function rampShare(elapsed: number, total: number): number {
  if (elapsed >= total) return 1;
  return Math.max(1, Math.floor((elapsed / total) * RAMP_STEPS)) / RAMP_STEPS;
}

/** Walks a recovered backend's share of its weight up to 1. */
export class SlowStart {
  private readonly clock: Clock;
  private readonly setShare: (share: number) => void;
  private cancel: Cancel | undefined;

  constructor(clock: Clock, setShare: (share: number) => void) {
    this.clock = clock;
    this.setShare = setShare;
  }

  /** Start over from the lowest step; `total` in ms, 0 = full weight at once. */
  begin(total: number): void {
    this.cancel?.();
    this.step(this.clock.now(), total);
  }

  /** Give the full weight now. */
  end(): void {
    this.cancel?.();
    this.setShare(1);
  }

  private step(startedAt: number, total: number): void {
    const share = rampShare(this.clock.now() - startedAt, total);
    this.setShare(share);
    if (share < 1) this.cancel = this.clock.after(total / RAMP_STEPS, () => this.step(startedAt, total));
  }
}

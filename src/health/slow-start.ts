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

/** How far a slow start is, both in ms. */
export interface Ramp {
  readonly elapsed: number;
  readonly total: number;
}

/** Walks a recovered backend's share of its weight up to 1. */
export class SlowStart {
  private readonly clock: Clock;
  private readonly setShare: (share: number) => void;
  private cancel: Cancel | undefined;
  private startedAt = 0;
  private total = 0;

  constructor(clock: Clock, setShare: (share: number) => void) {
    this.clock = clock;
    this.setShare = setShare;
  }

  /** Start over from the lowest step; `total` in ms, 0 = full weight at once. */
  begin(total: number): void {
    this.resume({ elapsed: 0, total });
  }

  /** Go on where another process was. */
  resume({ elapsed, total }: Ramp): void {
    this.cancel?.();
    this.startedAt = this.clock.now() - elapsed;
    this.total = total;
    this.step();
  }

  /** Where it is; undefined unless it is on its way. */
  get ramp(): Ramp | undefined {
    const elapsed = this.clock.now() - this.startedAt;
    return elapsed < this.total ? { elapsed, total: this.total } : undefined;
  }

  /** Give the full weight now. */
  end(): void {
    this.cancel?.();
    this.total = 0;
    this.setShare(1);
  }

  private step(): void {
    const { startedAt, total } = this;
    const share = rampShare(this.clock.now() - startedAt, total);
    this.setShare(share);
    if (share < 1) this.cancel = this.clock.after(total / RAMP_STEPS, () => this.step());
  }
}

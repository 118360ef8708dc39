import type { Engine } from '../engines/engine.js';
import type { CloseReason } from '../pool/reasons.js';
import { TimerEntry } from '../timer-wheel.js';

/** Something with an end: a connection or a flow. */
export interface Endable {
  end(reason: CloseReason, detail?: string): void;
}

const TICK_MS = 20;

/**
 * Ends connections at a steady pace instead of all at once, so that their clients do not come back as a storm.
 * `perSecond` > 0; Infinity ends all of them now.
 */
export class Pacer extends TimerEntry {
  private readonly engine: Engine;
  /** The backend whose connections end; -1 = all. */
  readonly slot: number;
  readonly perSecond: number;
  readonly reason: CloseReason;
  private readonly victims: readonly Endable[];
  private readonly startedAt: number;
  private done = 0;

  constructor(
    engine: Engine,
    slot: number,
    victims: readonly Endable[],
    perSecond: number,
    reason: CloseReason,
  ) {
    super();
    this.engine = engine;
    this.slot = slot;
    this.victims = victims;
    this.perSecond = perSecond;
    this.reason = reason;
    this.startedAt = engine.now();
    this.onTimer(this.startedAt);
  }

  get isDone(): boolean {
    return this.done === this.victims.length;
  }

  onTimer(now: number): void {
    const due =
      this.perSecond === Number.POSITIVE_INFINITY
        ? this.victims.length
        : 1 + ((now - this.startedAt) * this.perSecond) / 1000;
    while (this.done < this.victims.length && this.done + 1 <= due)
      this.victims[this.done++]!.end(this.reason);
    if (this.done < this.victims.length) this.engine.timers.schedule(this, TICK_MS, now);
  }
}

import { monotonic } from '../monotonic.js';

/** What is still open after the drain time is closed within this time, at no less than this many a second. */
const CLOSE_WITHIN_S = 5;
const CLOSE_AT_LEAST = 100;

/** Connections a second at which `count` of them are closed, so that their clients do not come back in one instant. */
export function drainPace(count: number): number {
  return Math.max(CLOSE_AT_LEAST, count / CLOSE_WITHIN_S);
}

/** Something that is to be done when a drain time is over. */
export interface Drain {
  /** It is not to be done any more: nothing is left to drain, or it came back. */
  cancel(): void;
  /** Until it is done, ms; 0 once it was; undefined = never. */
  readonly remaining: number | undefined;
}

export const NO_DRAIN: Drain = { cancel: () => {}, remaining: undefined };

/** Things to do when a drain time is over. */
export class Drains {
  private readonly timers = new Set<NodeJS.Timeout>();

  /** Call `then` after `ms`, never when that is 0. */
  after(ms: number, then: () => void): Drain {
    return ms === 0 ? NO_DRAIN : this.within(ms, then);
  }

  /** Call `then` after `ms`, 0 or more. */
  within(ms: number, then: () => void): Drain {
    const at = monotonic() + ms;
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      then();
    }, ms);
    this.timers.add(timer);
    return {
      cancel: () => {
        clearTimeout(timer);
        this.timers.delete(timer);
      },
      get remaining() {
        return Math.max(0, at - monotonic());
      },
    };
  }

  /** Nothing is done any more. */
  stop(): void {
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
  }
}

/** What is still open after the drain time is closed within this time, at no less than this many a second. */
const CLOSE_WITHIN_S = 5;
const CLOSE_AT_LEAST = 100;

/** Connections a second at which `count` of them are closed, so that their clients do not come back in one instant. */
export function drainPace(count: number): number {
  return Math.max(CLOSE_AT_LEAST, count / CLOSE_WITHIN_S);
}

/** Things to do when a drain time is over. */
export class Drains {
  private readonly timers = new Set<NodeJS.Timeout>();

  /** Call `then` after `ms`, never when that is 0. What it returns takes that back. */
  after(ms: number, then: () => void): () => void {
    if (ms === 0) return () => {};
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      then();
    }, ms);
    this.timers.add(timer);
    return () => {
      clearTimeout(timer);
      this.timers.delete(timer);
    };
  }

  /** Nothing is done any more. */
  stop(): void {
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
  }
}

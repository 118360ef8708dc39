/** Cancels what it was returned for; harmless when that has happened already. */
export type Cancel = () => void;

/** Time as health and discovery see it; tests pass one that they move by hand. */
export interface Clock {
  /** Monotonic milliseconds. */
  now(): number;
  /** Call `run` once after `ms` milliseconds. Never keeps the process alive. */
  after(ms: number, run: () => void): Cancel;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

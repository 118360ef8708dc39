/** How a thread tells another one to look for what it can have now: a place that was given back. */
export interface Bells {
  /** May be called for any thread but one's own, and often: the other one looks once for all of them. */
  ring(thread: number): void;
}

/** Where there is no other thread. */
export const NO_BELLS: Bells = { ring() {} };

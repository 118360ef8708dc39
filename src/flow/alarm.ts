import { TimerEntry } from '../timer-wheel.js';

/** A timer for things that there are few of: it calls a function. */
export class Alarm extends TimerEntry {
  readonly onTimer: (now: number) => void;

  constructor(ring: (now: number) => void) {
    super();
    this.onTimer = ring;
  }
}

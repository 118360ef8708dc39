import { type TimerNode, UNSCHEDULED } from '../timer-wheel.js';

/** A timer for things that there are few of: it calls a function. */
export class Alarm implements TimerNode {
  timerPrev: TimerNode | null = null;
  timerNext: TimerNode | null = null;
  timerDeadline = 0;
  timerSlot = UNSCHEDULED;
  readonly onTimer: (now: number) => void;

  constructor(ring: (now: number) => void) {
    this.onTimer = ring;
  }
}

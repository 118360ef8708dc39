import { type Clock, systemClock } from '../clock.js';
import { Checker, type CheckResult, type Schedule } from './checker.js';
import type { Probe } from './probes/probe.js';

/** What is asked of whom, how and when. */
export interface Question {
  /** The same for questions that have the same answers. */
  readonly key: string;
  readonly schedule: Schedule;
  probe(): Probe;
}

export type OnResult = (result: CheckResult) => void;

export interface Subscription {
  /** Ask now and not when it is time. */
  hurry(): void;
  /** Hear no more of it. */
  stop(): void;
}

interface Shared {
  readonly checker: Checker;
  readonly listeners: Set<OnResult>;
}

/** Asks every question once, however many services want the answers. */
export class Checks {
  private readonly clock: Clock;
  private readonly random: () => number;
  private readonly shared = new Map<string, Shared>();

  /** `random` is uniform in [0, 1). */
  constructor(clock: Clock = systemClock, random: () => number = Math.random) {
    this.clock = clock;
    this.random = random;
  }

  /** Questions that are being asked now. */
  get size(): number {
    return this.shared.size;
  }

  /**
   * Hear the answers from now on. The first comes as soon as may be: a question that nobody has asked yet is asked in
   * `delayMs`, one that is being asked already is asked again at once, unless whoever subscribes has the last answer.
   */
  subscribe(question: Question, delayMs: number, onResult: OnResult, hasLast = false): Subscription {
    const known = this.shared.get(question.key);
    const shared = known ?? this.open(question);
    shared.listeners.add(onResult);
    if (known === undefined) shared.checker.start(delayMs);
    else if (!hasLast) shared.checker.hurry();
    return {
      hurry: () => {
        if (shared.listeners.has(onResult)) shared.checker.hurry();
      },
      stop: () => {
        if (!shared.listeners.delete(onResult) || shared.listeners.size > 0) return;
        this.shared.delete(question.key);
        shared.checker.stop();
      },
    };
  }

  private open({ key, schedule, probe }: Question): Shared {
    const listeners = new Set<OnResult>();
    const tell = (result: CheckResult): void => {
      // A listener may make others come or go.
      for (const listener of [...listeners]) if (listeners.has(listener)) listener(result);
    };
    const shared = { checker: new Checker(probe(), schedule, this.clock, this.random, tell), listeners };
    this.shared.set(key, shared);
    return shared;
  }
}

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
  /**
   * Have it asked at the fast pace from now on, or no longer. Others who listen are told of good answers as they come, and
   * of bad ones no more often than they wanted to ask.
   */
  hasten(fast: boolean): void;
  /** Hear no more of it. */
  stop(): void;
}

interface Listener {
  readonly onResult: OnResult;
  fast: boolean;
  /** When it was told something last, monotonic ms. */
  toldAt: number;
}

interface Shared {
  readonly checker: Checker;
  readonly listeners: Set<Listener>;
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
    const listener: Listener = { onResult, fast: false, toldAt: Number.NEGATIVE_INFINITY };
    const { listeners, checker } = shared;
    listeners.add(listener);
    if (known === undefined) checker.start(delayMs);
    else if (!hasLast) checker.hurry();
    const setPace = (): void => checker.setFast([...listeners].some(({ fast }) => fast));
    return {
      hurry: () => {
        if (listeners.has(listener)) checker.hurry();
      },
      hasten: fast => {
        if (fast === listener.fast || !listeners.has(listener)) return;
        listener.fast = fast;
        setPace();
      },
      stop: () => {
        if (!listeners.delete(listener)) return;
        if (listeners.size > 0) {
          setPace();
          return;
        }
        this.shared.delete(question.key);
        checker.stop();
      },
    };
  }

  private open({ key, schedule, probe }: Question): Shared {
    const listeners = new Set<Listener>();
    const patience = schedule.interval * (1 - schedule.jitter);
    const tell = (result: CheckResult): void => {
      const now = this.clock.now();
      // Failures are counted, and who is in no hurry means them to be an interval apart.
      const early = ({ fast, toldAt }: Listener): boolean => !fast && now - toldAt < patience;
      const isHaste = result.result !== 'ok' && [...listeners].some(({ fast }) => fast);
      // A listener may make others come or go.
      for (const listener of [...listeners]) {
        if (!listeners.has(listener) || (isHaste && early(listener))) continue;
        listener.toldAt = now;
        listener.onResult(result);
      }
    };
    const shared = { checker: new Checker(probe(), schedule, this.clock, this.random, tell), listeners };
    this.shared.set(key, shared);
    return shared;
  }
}

import type { Cancel, Clock } from '../clock.js';
import { type Finding, WELL } from './finding.js';
import { type Probe, ProbeError } from './probes/probe.js';

/** What one probe found. */
export interface CheckResult {
  /** `inconclusive`: this machine could not ask (no descriptors left), which says nothing about the backend. */
  readonly result: 'ok' | 'failed' | 'inconclusive';
  /** Why it is not ok; empty when it is. */
  readonly reason: string;
  /** What the server told; nothing unless it is ok. */
  readonly finding: Finding;
  readonly durationMs: number;
}

export interface Schedule {
  /** Start to start, ms, > 0. */
  readonly interval: number;
  /** The same while somebody is in a hurry, ms, > 0. */
  readonly fast: number;
  /** One probe, ms. */
  readonly timeout: number;
  /** Fraction of the interval, 0 to 1. */
  readonly jitter: number;
}

/**
 * Asks one backend again and again: the first time at once, later at intervals of `interval` (or `fast`) x (1 ± jitter)
 * from start to start, and never twice at the same time (a probe that outlasts the interval is followed by the next at once).
 */
export class Checker {
  private readonly probe: Probe;
  private readonly schedule: Schedule;
  private readonly clock: Clock;
  private readonly random: () => number;
  private readonly onResult: (result: CheckResult) => void;
  private readonly stopping = new AbortController();
  private cancel: Cancel | undefined;
  private asking = false;
  private fast = false;
  /** Somebody wants to know again while the answer is told. */
  private again = false;
  /** The server said itself that it is not well. */
  private said = false;

  constructor(
    probe: Probe,
    schedule: Schedule,
    clock: Clock,
    random: () => number,
    onResult: (result: CheckResult) => void,
  ) {
    this.probe = probe;
    this.schedule = schedule;
    this.clock = clock;
    this.random = random;
    this.onResult = onResult;
  }

  /** Begin, once. `delayMs` holds the first probe back, so that a thousand backends do not all start in one tick. */
  start(delayMs = 0): void {
    if (delayMs <= 0) void this.run();
    else this.cancel = this.clock.after(delayMs, () => void this.run());
  }

  /** Ask now and not when it is time, unless an answer is on its way. */
  hurry(): void {
    this.again = true;
    if (this.asking) return;
    this.cancel?.();
    void this.run();
  }

  /** Ask at the fast pace, beginning now, or at the ordinary one. */
  setFast(fast: boolean): void {
    if (fast === this.fast) return;
    this.fast = fast;
    if (fast && !this.asking) this.hurry();
  }

  /** No probe and no result after this, not even of a probe that is on its way. */
  stop(): void {
    this.cancel?.();
    this.stopping.abort();
    if (!this.asking) this.probe.close?.();
  }

  private async run(): Promise<void> {
    const { clock, schedule, stopping } = this;
    const startedAt = clock.now();
    this.asking = true;
    const outcome = await this.ask();
    this.again = false;
    if (!stopping.signal.aborted) this.onResult({ ...outcome, durationMs: clock.now() - startedAt });
    this.asking = false;
    if (stopping.signal.aborted) {
      this.probe.close?.();
      return;
    }
    const pace = this.fast && !this.said ? schedule.fast : schedule.interval;
    const gap = this.again ? 0 : pace * (1 + schedule.jitter * (2 * this.random() - 1));
    this.cancel = clock.after(Math.max(0, startedAt + gap - clock.now()), () => void this.run());
  }

  private async ask(): Promise<Omit<CheckResult, 'durationMs'>> {
    try {
      this.said = false;
      const finding = await this.probe.check(this.schedule.timeout, this.stopping.signal);
      return { result: 'ok', reason: '', finding };
    } catch (error) {
      const local = error instanceof ProbeError && error.local;
      this.said = error instanceof ProbeError && error.said;
      const reason = error instanceof Error ? error.message : String(error);
      return { result: local ? 'inconclusive' : 'failed', reason, finding: WELL };
    }
  }
}

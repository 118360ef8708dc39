import type { Cancel, Clock } from '../clock.js';
import { formatDuration } from '../duration.js';
import type { Backend } from '../pool/backend.js';
import type { CheckResult } from './checker.js';
import type { OnResult, Subscription } from './checks.js';
import type { Finding } from './finding.js';
import { CHECKING, DOWN, type Health, step, UP } from './hysteresis.js';
import { judge, type Verdict } from './judge.js';
import type { HealthSettings } from './settings.js';
import { type Ramp, SlowStart } from './slow-start.js';

/** Without probes: how long a backend marked down by traffic stays down, and then how long it is on trial (nginx's fail_timeout). */
export const TRIAL_MS = 10_000;

/** What a member asks of the service it belongs to. */
export interface MemberContext {
  readonly settings: HealthSettings;
  readonly clock: Clock;
  /** True while nobody in the service is usable: then every moment counts. */
  readonly hasty: boolean;
  /**
   * Ask about a backend again and again, first in `delayMs`; undefined where nothing is asked. `hasLast`: the last answer is
   * known, so there is no hurry.
   */
  ask(backend: Backend, delayMs: number, onResult: OnResult, hasLast?: boolean): Subscription | undefined;
  /** The backend told what it is. Returns why it is not to be taken for the primary, if it says that it is one. */
  heard(backend: Backend, finding: Finding): string;
  /** The backend does not answer any more, or rests. */
  lost(backend: Backend): void;
  /** The operator has brought it back from maintenance. */
  vouched(): void;
  /** A probe ended. */
  checked(backend: Backend, result: CheckResult): void;
  /** The backend's health changed. */
  changed(backend: Backend): void;
}

/** What a member knows beside its backend's own state. Times in ms. */
export interface MemberState {
  /** Results in a row that speak against its health. */
  readonly against: number;
  readonly last: Finding | undefined;
  /** Since the last result; undefined when there was none. */
  readonly heardAgo: number | undefined;
  /** Until its trial ends or begins; undefined where there is none. */
  readonly trialIn: number | undefined;
  readonly ramp: Ramp | undefined;
}

/** One backend under watch: turns probe results and failures of real traffic into its health. */
export class Member {
  readonly backend: Backend;
  private readonly context: MemberContext;
  private readonly slowStart: SlowStart;
  private health: Health;
  private asking: Subscription | undefined;
  private cancelTrial: Cancel | undefined;
  private trialAt: number | undefined;
  private heardAt: number | undefined;
  /** What the last check found; undefined unless the server was well. */
  private last: Finding | undefined;
  /** In maintenance: nothing is asked. */
  private resting = false;

  constructor(backend: Backend, context: MemberContext) {
    this.backend = backend;
    this.context = context;
    this.slowStart = new SlowStart(context.clock, share => backend.setShare(share));
    this.health = { state: backend.health, against: 0 };
  }

  /** Begin to watch (again), with the settings as they are now; the state and what was counted stay. */
  watch(delayMs: number): void {
    this.unwatch();
    this.last = undefined;
    this.resting = this.backend.admin === 'maint';
    if (this.resting) return;
    this.asking = this.context.ask(this.backend, delayMs, result => this.take(result));
    if (this.asking === undefined) this.armTrial();
    this.setPace();
  }

  /** Ask as often as the service wants it now. */
  setPace(): void {
    this.asking?.hasten(this.context.hasty);
  }

  get state(): MemberState {
    const { health, last, slowStart, heardAt, trialAt, context } = this;
    const now = context.clock.now();
    return {
      against: health.against,
      last,
      heardAgo: heardAt === undefined ? undefined : now - heardAt,
      trialIn: trialAt === undefined ? undefined : Math.max(0, trialAt - now),
      ramp: slowStart.ramp,
    };
  }

  /** Begin to watch where another process has left off: the next probe is due when it would have been there. */
  resume({ against, last, heardAgo, trialIn, ramp }: MemberState): void {
    const { backend, context } = this;
    this.health = { state: backend.health, against };
    this.last = last;
    this.resting = backend.admin === 'maint';
    if (ramp !== undefined) this.slowStart.resume(ramp);
    if (this.resting) return;
    const { interval } = context.settings;
    if (heardAgo !== undefined) this.heardAt = context.clock.now() - heardAgo;
    const delay = heardAgo === undefined ? 0 : Math.max(0, interval - heardAgo);
    this.asking = context.ask(backend, delay, result => this.take(result), heardAgo !== undefined);
    if (this.asking === undefined) this.armTrial(trialIn);
  }

  /** Ask now and not when it is time. */
  hurry(): void {
    this.asking?.hurry();
  }

  /** Stop asking; the state stays. */
  unwatch(): void {
    this.asking?.stop();
    this.asking = undefined;
    this.endTrial();
  }

  /** Stop for good. */
  stop(): void {
    this.unwatch();
    this.slowStart.end();
  }

  /** The operator changed its state. Maintenance forgets what was known, so that the backend comes out as `checking`. */
  adminChanged(): void {
    if (this.backend.admin !== 'maint') {
      if (this.resting) {
        this.context.vouched();
        this.watch(0);
      }
      return;
    }
    this.stop();
    this.context.lost(this.backend);
    this.resting = true;
    this.set(CHECKING, 'in maintenance');
  }

  /** Real traffic could not connect: down at once, and `rise` successes from now are needed. */
  fail(reason: string): void {
    if (this.backend.admin === 'maint' || this.health.state === 'down') return;
    this.set(DOWN, reason);
    this.context.lost(this.backend);
    if (this.asking === undefined) this.armTrial();
  }

  /** slow_start was shortened to nothing: no ramp may go on. */
  endSlowStart(): void {
    this.slowStart.end();
  }

  /** The service wants another role or lag: look at what was found last with new eyes. */
  reconsider(): void {
    if (this.last === undefined || this.resting) return;
    const { reason, certain, standIn } = this.judge(this.last);
    if (certain) {
      this.refute(reason);
    } else if (reason === '') {
      this.backend.setStandIn(standIn);
      this.set(UP, 'it has the role that is wanted now');
    }
  }

  /** It is not to be taken for the primary, though it says that it is one. */
  object(reason: string): void {
    if (!this.resting) this.refute(reason, true);
  }

  private take(result: CheckResult): void {
    this.heardAt = this.context.clock.now();
    this.last = result.result === 'ok' ? result.finding : undefined;
    if (result.result !== 'ok') {
      this.context.checked(this.backend, result);
      if (result.result === 'failed') this.count(false, result.reason);
      if (this.health.state === 'down') this.context.lost(this.backend);
      return;
    }
    const { reason, certain, standIn, alarming } = this.judge(result.finding);
    const ok = reason === '';
    this.context.checked(this.backend, ok ? result : { ...result, result: 'failed', reason });
    if (certain) {
      this.refute(reason, alarming);
      return;
    }
    // Before it becomes usable: not one connection may take it for what it is not.
    if (ok) this.backend.setStandIn(standIn);
    this.count(ok, reason);
  }

  /** What the service makes of it, and of what the others say. */
  private judge(finding: Finding): Verdict & { readonly alarming?: boolean } {
    const objection = this.context.heard(this.backend, finding);
    const verdict = judge(finding, this.context.settings);
    if (objection === '' || verdict.reason !== '') return verdict;
    return { reason: objection, certain: true, standIn: false, alarming: true };
  }

  /** One result more for or against it. */
  private count(ok: boolean, reason: string): void {
    const { settings } = this.context;
    const before = this.health.state;
    const next = step(this.health, ok, settings);
    if (!next.flipped) {
      this.health = next;
      return;
    }
    const count = ok ? (before === 'checking' ? 1 : settings.rise) : settings.fall;
    const probes = count === 1 ? 'probe' : `${count} probes`;
    this.set(next, ok ? `${probes} ok` : `${probes} failed: ${reason}`);
  }

  /** It is not what the service wants, and says so itself: down at once. */
  private refute(reason: string, alarming = false): void {
    // Whoever served until now is missed; who has never served is not.
    this.set(DOWN, reason, alarming || this.health.state === 'up');
    this.backend.explain(reason);
  }

  /** Without probes time is the only judge: down, then on trial, then up, TRIAL_MS each. */
  private armTrial(inMs = TRIAL_MS): void {
    this.endTrial();
    if (this.health.state === 'up') return;
    this.trialAt = this.context.clock.now() + inMs;
    this.cancelTrial = this.context.clock.after(inMs, () => {
      const next = this.health.state === 'down' ? CHECKING : UP;
      const time = formatDuration(TRIAL_MS);
      this.set(next, next === UP ? `no failure in ${time}` : `${time} since it failed`);
      this.armTrial();
    });
  }

  private endTrial(): void {
    this.cancelTrial?.();
    this.trialAt = undefined;
  }

  private set(next: Health, reason: string, alarming?: boolean): void {
    const before = this.health.state;
    this.health = { state: next.state, against: next.against };
    if (next.state === before) return;
    // The ramp begins before the backend becomes usable: not one connection may see its full weight.
    if (before === 'down' && this.backend.admin !== 'maint') {
      this.slowStart.begin(this.context.settings.slow_start);
    } else if (next.state === 'down') this.slowStart.end();
    this.backend.setHealth(next.state, reason, alarming);
    this.context.changed(this.backend);
  }
}

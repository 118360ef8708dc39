import { type Clock, systemClock } from '../clock.js';
import type { Backend } from '../pool/backend.js';
import type { CheckResult } from './checker.js';
import { Checks, type OnResult, type Subscription } from './checks.js';
import { Member, type MemberContext, type MemberState } from './member.js';
import { inPanic } from './panic.js';
import { Primaries, type PrimariesState, type SplitBrain } from './primaries.js';
import { createProbe, type ProbeContext } from './probes/index.js';
import type { Probe } from './probes/probe.js';
import { questionKey } from './question.js';
import { type HealthSettings, sameProbing } from './settings.js';

/** A larger service without a usable backend is asked at its ordinary pace: its size is what makes it costly. */
const MOST_IN_HASTE = 32;
/** `fast_interval = 0`: a part of the interval, and the least it may come to. */
const FAST_PART = 0.1;
const FAST_LEAST_MS = 100;
/** First probes go out at once, but no more than this many in the same tick; the next batch STAGGER_MS later. */
const BATCH = 32;
const STAGGER_MS = 10;

/** What may change while a service runs. */
export interface MonitorConfig extends ProbeContext {
  readonly settings: HealthSettings;
}

export interface MonitorState {
  /** By the backends' slots. */
  readonly members: readonly { readonly slot: number; readonly state: MemberState }[];
  readonly primaries: PrimariesState;
  readonly panic: boolean;
}

export interface MonitorHooks {
  /** Each finished probe, for metrics and `last_check`. */
  onCheck?(backend: Backend, result: CheckResult): void;
  /** A backend's health is another one. */
  onChange?(backend: Backend): void;
  /** A backend went down and `on_down` is `close`: end its open connections. */
  onDown?(backend: Backend): void;
  /** The service entered (true) or left (false) panic: while in it, pick as if every backend were up. */
  onPanic?(panic: boolean): void;
  /** Several servers say that they are the primary, or no longer. */
  onSplitBrain?(split: SplitBrain): void;
  /** For tests, and for kinds of probes of one's own. */
  probeFor?(backend: Backend, config: MonitorConfig): Probe;
  readonly clock?: Clock;
  /** Where questions are asked; shared by the services that are to share their probes. Default: one's own. */
  readonly checks?: Checks;
}

/** Watches the backends of one service and writes what it finds into them (`Backend.setHealth`, `setShare`). */
export class HealthMonitor {
  private config: MonitorConfig;
  private readonly hooks: MonitorHooks;
  private readonly members = new Map<Backend, Member>();
  private readonly context: MemberContext;
  private readonly checks: Checks;
  private readonly primaries: Primaries;
  private starting = 0;
  private inPanic = false;
  private hasty = false;
  private stopped = false;

  constructor(config: MonitorConfig, hooks: MonitorHooks = {}) {
    this.config = config;
    this.hooks = hooks;
    const { clock = systemClock } = hooks;
    this.checks = hooks.checks ?? new Checks(clock);
    const monitor = this;
    this.context = {
      get settings() {
        return monitor.config.settings;
      },
      get hasty() {
        return monitor.hasty;
      },
      clock,
      ask: (backend, delayMs, onResult, hasLast) => this.ask(backend, delayMs, onResult, hasLast),
      heard: (backend, finding) => (this.takesPrimaries ? this.primaries.heard(backend, finding) : ''),
      lost: backend => this.primaries.lost(backend),
      vouched: () => this.primaries.vouched(),
      checked: (backend, result) => hooks.onCheck?.(backend, result),
      changed: backend => this.changed(backend),
    };
    this.primaries = new Primaries({
      policy: () => this.config.settings.split_brain,
      hurry: backend => this.members.get(backend)?.hurry(),
      object: (backend, reason) => this.members.get(backend)?.object(reason),
      onSplitBrain: split => hooks.onSplitBrain?.(split),
    });
  }

  /** True while fewer than `panic_threshold` percent of the primaries in service are usable. */
  get panic(): boolean {
    return this.inPanic;
  }

  /** Begin to watch a backend, in the state it has. A backend that is watched already is left alone. */
  add(backend: Backend): void {
    if (this.stopped || this.members.has(backend)) return;
    const member = new Member(backend, this.context);
    this.members.set(backend, member);
    member.watch(this.nextDelay());
    this.review();
  }

  /** What is known beside the backends' own states, for another process. */
  get state(): MonitorState {
    return {
      members: [...this.members].map(([{ slot }, { state }]) => ({ slot, state })),
      primaries: this.primaries.state,
      panic: this.inPanic,
    };
  }

  /** Begin to watch backends where another process has left off: nothing has happened, so nobody hears of anything. */
  resume({ members, primaries, panic }: MonitorState, backends: readonly Backend[]): void {
    const states = new Map(members.map(({ slot, state }) => [slot, state]));
    this.inPanic = panic;
    this.primaries.restore(primaries, slot => backends.find(backend => backend.slot === slot));
    for (const backend of backends) {
      const state = states.get(backend.slot);
      if (state === undefined) continue;
      const member = new Member(backend, this.context);
      this.members.set(backend, member);
      member.resume(state);
    }
    this.review();
  }

  /** Stop watching a backend; its state stays as it is. */
  remove(backend: Backend): void {
    const member = this.members.get(backend);
    if (member === undefined) return;
    this.members.delete(backend);
    member.stop();
    this.primaries.removed(backend);
    this.review();
  }

  /**
   * Take new settings. States and counts stay; probes start over only when how or when to probe has changed. A change
   * of weight or `backup` of a backend needs `refresh`, not this.
   */
  update(config: MonitorConfig): void {
    const before = this.config;
    this.config = config;
    const goOn =
      sameProbing(before.settings, config.settings) &&
      before.protocol === config.protocol &&
      before.source === config.source &&
      Buffer.compare(before.preamble, config.preamble) === 0;
    const { role, max_lag } = before.settings;
    const otherEyes = role !== config.settings.role || max_lag !== config.settings.max_lag;
    for (const member of this.members.values()) {
      if (config.settings.slow_start === 0) member.endSlowStart();
      if (!goOn) member.watch(this.nextDelay());
      if (otherEyes) member.reconsider();
    }
    if (before.settings.split_brain !== config.settings.split_brain) this.primaries.review();
    this.review();
  }

  /**
   * To be called after `backend.setAdmin`. Probes go on while draining and rest in maintenance; a backend that leaves
   * maintenance is `checking` and is probed at once.
   */
  adminChanged(backend: Backend): void {
    this.members.get(backend)?.adminChanged();
    this.review();
  }

  /** Look at the set again after a backend's `backup` flag changed. */
  refresh(): void {
    this.review();
  }

  /**
   * Real traffic failed `passive_failures` times in a row (the data plane counts): the backend is down at once, and
   * `rise` good probes bring it back. Without probes it is on trial after 10 s. `reason` in words:
   * `3 connections failed: connection refused`. Does nothing when passive checks are off.
   */
  passiveFailure(backend: Backend, reason: string): void {
    if (this.config.settings.passive_failures > 0) this.members.get(backend)?.fail(reason);
  }

  /** Stop every probe and timer. States stay. */
  stop(): void {
    this.stopped = true;
    for (const member of this.members.values()) member.stop();
    this.members.clear();
  }

  private ask(
    backend: Backend,
    delayMs: number,
    onResult: OnResult,
    hasLast = false,
  ): Subscription | undefined {
    const { config, hooks } = this;
    const { settings } = config;
    if (settings.kind === 'none') return undefined;
    const probe = () => hooks.probeFor?.(backend, config) ?? createProbe(settings, backend.endpoint, config);
    const key = questionKey(settings, backend.endpoint, config);
    const schedule = { ...settings, fast: fastInterval(settings) };
    return this.checks.subscribe({ key, schedule, probe }, delayMs, onResult, hasLast);
  }

  /** Where only one may be the primary, it matters which. */
  private get takesPrimaries(): boolean {
    const { role } = this.config.settings;
    return role === 'primary' || role === 'prefer-replica';
  }

  private changed(backend: Backend): void {
    this.hooks.onChange?.(backend);
    const down = backend.health === 'down';
    this.review();
    if (down && this.config.settings.on_down === 'close') this.hooks.onDown?.(backend);
  }

  /** What follows from the state of all of them together. */
  private review(): void {
    this.updatePace();
    this.updatePanic();
  }

  private updatePace(): void {
    const { members } = this;
    // What the operator took out is not missed.
    const ready = [...members.keys()].filter(({ admin }) => admin === 'ready');
    const hasty = members.size <= MOST_IN_HASTE && ready.length > 0 && !ready.some(isUsable);
    if (hasty === this.hasty) return;
    this.hasty = hasty;
    for (const member of members.values()) member.setPace();
  }

  private updatePanic(): void {
    const panic = inPanic(this.members.keys(), this.config.settings.panic_threshold);
    if (panic === this.inPanic) return;
    this.inPanic = panic;
    this.hooks.onPanic?.(panic);
  }

  /** How long this first probe waits: the first BATCH of one tick not at all. */
  private nextDelay(): number {
    if (this.starting === 0) {
      this.context.clock.after(0, () => {
        this.starting = 0;
      });
    }
    return Math.floor(this.starting++ / BATCH) * STAGGER_MS;
  }
}

function isUsable({ health, trusted }: Backend): boolean {
  return health === 'up' || (health === 'checking' && trusted);
}

function fastInterval({ interval, fast_interval }: HealthSettings): number {
  const wanted = fast_interval > 0 ? fast_interval : Math.max(FAST_LEAST_MS, interval * FAST_PART);
  return Math.min(interval, wanted);
}

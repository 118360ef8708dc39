import type { Cancel, Clock } from '../clock.js';
import { formatDuration } from '../duration.js';
import type { Found } from './entry.js';
import { type NamedTarget, resolveTarget } from './resolve.js';
import { lookupReason, type Resolver } from './resolver.js';

/** Between look-ups where no TTL is known. */
const DEFAULT_TTL_MS = 10_000;
const MIN_TTL_MS = 1_000;
/** Nobody wants to wait a day for an address that was moved in a hurry. */
const MAX_TTL_MS = 3_600_000;
/** A look-up that takes longer is reported as failed; its answer still counts when it comes. */
const PATIENCE_MS = 5_000;
/** First wait after a failure; doubles up to DEFAULT_TTL_MS. */
const FIRST_RETRY_MS = 1_000;

export interface WatchHooks {
  /** The answer is another than before. */
  changed(): void;
  /** Once for each outage. The last good answer stands. */
  failed(reason: string): void;
  /** The first good answer after `failed`. */
  recovered(): void;
  /** Once: the first answer or failure. */
  settled(): void;
  /** True while a backend of the answer is down: it may be an address of yesterday, whatever its TTL. */
  isAmiss(): boolean;
}

/** What is known about a name. */
export interface WatchState {
  readonly found: readonly Found[];
  readonly settled: boolean;
  readonly outage: boolean;
  readonly retryMs: number;
  /** Until it is to be asked again, ms. */
  readonly dueIn: number;
}

/** Keeps one name's answer current: looks it up at once, again when its TTL is over, sooner after a failure. */
export class Watch {
  /** The last good answer; empty until there is one. */
  found: readonly Found[] = [];
  /** True once there was an answer or a failure. */
  settled = false;
  private readonly target: NamedTarget;
  private readonly id: string;
  private readonly resolver: Resolver;
  private readonly clock: Clock;
  private readonly random: () => number;
  private readonly hooks: WatchHooks;
  private outage = false;
  private retryMs = FIRST_RETRY_MS;
  private stopped = false;
  private cancel: Cancel | undefined;
  /** A look-up is under way. */
  private asking = false;
  private askedAt = 0;
  /** When it is due to be asked again; undefined before the first answer. */
  private dueAt: number | undefined;

  constructor(
    target: NamedTarget,
    id: string,
    resolver: Resolver,
    clock: Clock,
    random: () => number,
    hooks: WatchHooks,
  ) {
    this.target = target;
    this.id = id;
    this.resolver = resolver;
    this.clock = clock;
    this.random = random;
    this.hooks = hooks;
  }

  start(): void {
    void this.run();
  }

  get state(): WatchState {
    const { found, settled, outage, retryMs, dueAt, clock } = this;
    return { found, settled, outage, retryMs, dueIn: Math.max(0, (dueAt ?? 0) - clock.now()) };
  }

  /** Know what another process knew; nothing is asked before `resume`. */
  restore({ found, settled, outage, retryMs }: WatchState): void {
    this.found = found;
    this.settled = settled;
    this.outage = outage;
    this.retryMs = retryMs;
  }

  /** Go on: the next look-up in `dueIn` ms. */
  resume(dueIn: number): void {
    this.schedule(dueIn);
  }

  /** Look it up again as soon as the floor of TTLs allows. */
  hurry(): void {
    if (this.stopped || this.asking) return;
    this.cancel?.();
    this.schedule(Math.max(0, this.askedAt + MIN_TTL_MS - this.clock.now()));
  }

  /** No look-up and no callback after this. */
  stop(): void {
    this.stopped = true;
    this.cancel?.();
  }

  private async run(): Promise<void> {
    // One look-up at a time, however long it takes: getaddrinfo has four threads for everybody.
    this.cancel = this.clock.after(PATIENCE_MS, () =>
      this.fail(`no answer in ${formatDuration(PATIENCE_MS)}`),
    );
    this.asking = true;
    this.askedAt = this.clock.now();
    const wait = await this.ask();
    this.asking = false;
    this.cancel?.();
    if (this.stopped) return;
    this.settle();
    // Up to a tenth early, so that many names do not stay in step, but never below the floor.
    this.schedule(Math.max(MIN_TTL_MS, wait * (1 - this.random() / 10)));
  }

  private schedule(ms: number): void {
    this.dueAt = this.clock.now() + ms;
    this.cancel = this.clock.after(ms, () => void this.run());
  }

  /** Returns after how many ms to ask again. */
  private async ask(): Promise<number> {
    try {
      const { found, ttl, fault } = await resolveTarget(this.target, this.id, this.resolver, this.found);
      if (this.stopped) return 0;
      this.found = found;
      this.hooks.changed();
      if (fault !== '') return this.retryAfter(fault);
      this.retryMs = FIRST_RETRY_MS;
      if (this.outage) this.hooks.recovered();
      this.outage = false;
      if (ttl === undefined) return DEFAULT_TTL_MS;
      const longest = this.hooks.isAmiss() ? DEFAULT_TTL_MS : MAX_TTL_MS;
      return Math.min(longest, Math.max(MIN_TTL_MS, ttl * 1_000));
    } catch (error) {
      return this.stopped ? 0 : this.retryAfter(lookupReason(error));
    }
  }

  private retryAfter(reason: string): number {
    this.fail(reason);
    const wait = this.retryMs;
    this.retryMs = Math.min(DEFAULT_TTL_MS, wait * 2);
    return wait;
  }

  private fail(reason: string): void {
    if (!this.outage) {
      this.outage = true;
      this.hooks.failed(reason);
    }
    this.settle();
  }

  private settle(): void {
    if (this.settled) return;
    this.settled = true;
    this.hooks.settled();
  }
}

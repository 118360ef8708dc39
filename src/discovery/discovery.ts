import { isDeepStrictEqual } from 'node:util';
import { type Endpoint, formatAddress } from '../address.js';
import { type Clock, systemClock } from '../clock.js';
import type { BackendConfig } from '../config/schema.js';
import type { Discovered, Found } from './entry.js';
import { backendList } from './list.js';
import type { NamedTarget } from './resolve.js';
import type { Resolver } from './resolver.js';
import { Watch, type WatchState } from './watch.js';

/** How long `start` waits for names that do not answer. */
const START_BOUND_MS = 3_000;

export interface DiscoveryHooks {
  /** The list is another than before: first with what needs no look-up, then as answers come and change. */
  onChange(list: readonly Discovered[]): void;
  /** An entry could not be looked up; once for each outage. Its last good answer stands. */
  onFailure?(entry: BackendConfig, reason: string): void;
  /** An entry's look-up works again. */
  onRecovery?(entry: BackendConfig): void;
  /** True while something is wrong with what the entry's name resolved to: then it is not trusted for long. */
  isAmiss?(entry: BackendConfig): boolean;
  /** Shared with others: whoever made it cancels it. */
  readonly resolver: Resolver;
  readonly clock?: Clock;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
}

type Place =
  | { entry: BackendConfig; readonly found: readonly Found[]; readonly watch?: undefined }
  | { entry: BackendConfig; readonly watch: Watch };

export interface DiscoveryState {
  readonly list: readonly Discovered[];
  /** In the order of the entries; `watch` where the entry is a name. */
  readonly places: readonly { readonly entry: BackendConfig; readonly watch: WatchState | undefined }[];
}

/** Turns the entries of one service's `backends` into backends that can be connected to, and keeps them current. */
export class Discovery {
  private readonly hooks: DiscoveryHooks;
  private readonly resolver: Resolver;
  private readonly clock: Clock;
  private readonly random: () => number;
  private places: readonly Place[] = [];
  private list: readonly Discovered[] = [];
  private waiting: (() => void)[] = [];
  private stopped = false;
  /** The list stays as it is, whatever the answers. */
  private held = false;

  constructor(hooks: DiscoveryHooks) {
    this.hooks = hooks;
    this.resolver = hooks.resolver;
    this.clock = hooks.clock ?? systemClock;
    this.random = hooks.random ?? Math.random;
  }

  /** The list as it is now: file order, then address order. */
  get current(): readonly Discovered[] {
    return this.list;
  }

  /**
   * Take the service's entries, at start and at each reload. What is in both the old and the new entries (same id and
   * address) keeps its answer and is not looked up again. Resolves when every name has answered or failed once, or after
   * 3 s; never rejects. `onChange` is called before this returns where literal addresses changed something.
   */
  use(entries: readonly BackendConfig[]): Promise<void> {
    if (this.stopped) return Promise.resolve();
    const before = new Map(this.places.map(place => [entryKey(place.entry), place]));
    const fresh: Watch[] = [];
    this.places = entries.map(entry => {
      const key = entryKey(entry);
      const kept = before.get(key);
      before.delete(key);
      if (kept !== undefined) return { ...kept, entry };
      const { address } = entry;
      if (address.kind === 'ip' || address.kind === 'unix')
        return { entry, found: [literal(entry, address)] };
      const watch = this.watch(entry, address);
      fresh.push(watch);
      return { entry, watch };
    });
    for (const gone of before.values()) gone.watch?.stop();
    this.publish();
    for (const watch of fresh) watch.start();
    return this.settled();
  }

  /** Keep the list as it is until `release`; look-ups go on. */
  hold(): void {
    this.held = true;
  }

  release(): void {
    if (!this.held) return;
    this.held = false;
    if (!this.stopped) this.publish();
  }

  /** The list, and what is known about each name, for another process. */
  get state(): DiscoveryState {
    return {
      list: this.list,
      places: this.places.map(({ entry, watch }) => ({ entry, watch: watch?.state })),
    };
  }

  /** Have the list that another process had. Nothing is looked up, and nobody hears of anything, before `resume`. */
  restore({ list, places }: DiscoveryState): void {
    this.held = true;
    this.list = list;
    this.places = places.map(({ entry, watch: known }): Place => {
      const { address } = entry;
      if (address.kind === 'ip' || address.kind === 'unix')
        return { entry, found: [literal(entry, address)] };
      const watch = this.watch(entry, address);
      if (known !== undefined) watch.restore(known);
      return { entry, watch };
    });
  }

  /** Go on from what the other process knew in the end: the places are those that were restored. */
  resume({ places }: DiscoveryState): void {
    for (const [i, { watch: known }] of places.entries()) {
      if (known === undefined) continue;
      const { watch } = this.places[i]!;
      watch?.restore(known);
      watch?.resume(known.dueIn);
    }
    this.release();
  }

  /** A backend of this entry is not what it should be: where it came from a name, that is looked up soon. */
  suspect(entry: BackendConfig): void {
    this.places.find(place => place.entry.id === entry.id)?.watch?.hurry();
  }

  /** No look-up and no callback after this. */
  stop(): void {
    this.stopped = true;
    for (const place of this.places) place.watch?.stop();
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  private watch(entry: BackendConfig, target: NamedTarget): Watch {
    return new Watch(target, entry.id, this.resolver, this.clock, this.random, {
      changed: () => this.publish(),
      failed: reason => this.hooks.onFailure?.(entry, reason),
      recovered: () => this.hooks.onRecovery?.(entry),
      settled: () => this.wake(),
      isAmiss: () => this.hooks.isAmiss?.(entry) ?? false,
    });
  }

  private publish(): void {
    if (this.held) return;
    const sources = this.places.map(place => ({
      entry: place.entry,
      found: place.watch === undefined ? place.found : place.watch.found,
    }));
    const next = backendList(sources, this.list);
    if (isDeepStrictEqual(next, this.list)) return;
    const before = this.list;
    this.list = next;
    try {
      this.hooks.onChange(next);
    } catch (error) {
      // Whoever could not take it still has the one before, and is asked again.
      this.list = before;
      throw error;
    }
  }

  private settled(): Promise<void> {
    if (this.allSettled()) return Promise.resolve();
    return new Promise(resolve => {
      const cancel = this.clock.after(START_BOUND_MS, resolve);
      this.waiting.push(() => {
        cancel();
        resolve();
      });
    });
  }

  private wake(): void {
    if (!this.allSettled()) return;
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  private allSettled(): boolean {
    return this.places.every(place => place.watch === undefined || place.watch.settled);
  }
}

function entryKey(entry: BackendConfig): string {
  return `${entry.id} ${formatAddress(entry.address)}`;
}

function literal(entry: BackendConfig, endpoint: Endpoint): Found {
  return { base: entry.id, endpoint, weight: 1, backup: false };
}

import type { Candidate, Flow, Strategy } from '../../strategies/strategy.js';
import type { SpinLock } from './lock.js';
import type { BackendPlan } from './plan.js';
import { type SharedTable, State } from './table.js';

/** A backend as the data plane sees it: the strategy's candidate with its place in the shared table. */
export class PoolCandidate implements Candidate {
  readonly slot: number;
  readonly key: string;
  readonly counters: Int32Array;
  readonly latencies: Float64Array;
  private readonly weights: Float64Array;
  plan: BackendPlan;

  constructor(plan: BackendPlan, table: SharedTable) {
    this.plan = plan;
    this.slot = plan.slot;
    this.key = plan.key;
    this.counters = table.active;
    this.latencies = table.latency;
    this.weights = table.weight;
  }

  get id(): string {
    return this.plan.id;
  }

  get weight(): number {
    return this.weights[this.slot]!;
  }

  get active(): number {
    return this.counters[this.slot]!;
  }

  get latency(): number {
    return this.latencies[this.slot]!;
  }
}

/** Why nothing was picked: nobody is usable, or those who are usable are full. */
export type NoPick = 'none' | 'full';

/**
 * Picks backends for one service in one thread. The candidate view is rebuilt only when the table's generation moved;
 * a pick itself allocates nothing. Primaries and backups have a strategy each, so a strategy never sees tiers.
 */
export class Picker {
  private readonly table: SharedTable;
  private readonly serviceSlot: number;
  private candidates: PoolCandidate[] = [];
  /** Those that may be picked. */
  private usable: PoolCandidate[] = [];
  private primary: Strategy;
  private backup: Strategy;
  /** Held for a pick by strategies whose copies in other threads change the same memory. */
  private lock: SpinLock | undefined;
  private primaries = 0;
  private backups = 0;
  /** The table's generation for which `usable` holds, and that for which the strategies have been told. */
  private looked = -1;
  private seen = -1;
  /** Slots this connection has tried; undefined on a first attempt, which is nearly always. */
  private tried: readonly number[] | undefined;
  private sawFull = false;
  /** Why the last `pick` found nothing. */
  noPick: NoPick = 'none';

  constructor(table: SharedTable, serviceSlot: number, primary: Strategy, backup: Strategy) {
    this.table = table;
    this.serviceSlot = serviceSlot;
    this.primary = primary;
    this.backup = backup;
    this.lock = this.lockFor(primary);
  }

  /** Change the list. A backend that stays (same slot) keeps its candidate object, and so its place in the strategy. */
  setBackends(plans: readonly BackendPlan[]): void {
    const old = new Map(this.candidates.map(candidate => [candidate.slot, candidate]));
    this.candidates = plans.map(plan => {
      const kept = old.get(plan.slot);
      if (kept === undefined || kept.key !== plan.key) return new PoolCandidate(plan, this.table);
      kept.plan = plan;
      return kept;
    });
    this.looked = this.seen = -1;
  }

  /** The candidate of a backend, if that is in the list. */
  find(slot: number, key: string): PoolCandidate | undefined {
    return this.candidates.find(candidate => candidate.slot === slot && candidate.key === key);
  }

  setStrategies(primary: Strategy, backup: Strategy): void {
    this.primary = primary;
    this.backup = backup;
    this.lock = this.lockFor(primary);
    this.seen = -1;
  }

  /**
   * A backend for this flow with one place taken in its `active` count, which the caller must release; or undefined,
   * and then `noPick` says why. `tried` lists slots not to pick again.
   */
  pick(flow: Flow, tried: readonly number[] | undefined): PoolCandidate | undefined {
    const { lock } = this;
    if (lock === undefined) return this.pickNow(flow, tried);
    lock.acquire();
    try {
      return this.pickNow(flow, tried);
    } finally {
      lock.release();
    }
  }

  /** True when a connection would find a backend with room. */
  get hasRoom(): boolean {
    this.look();
    const { active } = this.table;
    for (const { slot, plan } of this.usable) {
      if (plan.maxConnections === 0 || active[slot]! < plan.maxConnections) return true;
    }
    return false;
  }

  /** True when the backend may keep the flows that it has: it is in the list and neither down nor in maintenance. */
  keeps(candidate: PoolCandidate): boolean {
    const state = this.table.state[candidate.slot]!;
    return (
      state === State.up ||
      state === State.checking ||
      state === State.draining ||
      (state === State.down && this.table.panic[this.serviceSlot] === 1)
    );
  }

  private pickNow(flow: Flow, tried: readonly number[] | undefined): PoolCandidate | undefined {
    this.refresh();
    this.tried = tried;
    this.sawFull = false;
    const picked =
      (this.primaries > 0 ? this.acquire(this.primary, flow) : undefined) ??
      (this.backups > 0 ? this.acquire(this.backup, flow) : undefined);
    if (picked === undefined) this.noPick = this.sawFull ? 'full' : 'none';
    return picked;
  }

  private acquire(strategy: Strategy, flow: Flow): PoolCandidate | undefined {
    for (;;) {
      const candidate = strategy.pick(flow, this.accept) as PoolCandidate | undefined;
      // A place can be lost to another thread between the strategy's look and here: then look again.
      if (candidate === undefined || this.table.tryAcquire(candidate.slot, candidate.plan.maxConnections)) {
        return candidate;
      }
    }
  }

  private readonly accept = (candidate: Candidate): boolean => {
    const { slot, plan } = candidate as PoolCandidate;
    if (this.tried?.includes(slot)) return false;
    if (plan.maxConnections === 0 || this.table.active[slot]! < plan.maxConnections) return true;
    this.sawFull = true;
    return false;
  };

  /** Both tiers have a strategy of the same kind. */
  private lockFor(strategy: Strategy): SpinLock | undefined {
    return strategy.exclusive === true ? this.table.pickLock(this.serviceSlot) : undefined;
  }

  /** Bring `usable` up to date; strategies, which other threads may share, are left as they are. */
  private look(): void {
    const generation = Atomics.load(this.table.generation, 0);
    if (generation === this.looked) return;
    this.looked = generation;
    const panic = Atomics.load(this.table.panic, this.serviceSlot) === 1;
    this.usable = this.candidates.filter(({ slot }) => {
      const state = Atomics.load(this.table.state, slot);
      const healthy = state === State.up || state === State.checking || (panic && state === State.down);
      return healthy && this.table.weight[slot]! > 0;
    });
  }

  private refresh(): void {
    this.look();
    if (this.seen === this.looked) return;
    this.seen = this.looked;
    const { backup } = this.table;
    const primaries = this.usable.filter(({ slot }) => Atomics.load(backup, slot) === 0);
    const backups = this.usable.filter(({ slot }) => Atomics.load(backup, slot) === 1);
    this.primaries = primaries.length;
    this.backups = backups.length;
    this.primary.rebuild(primaries);
    this.backup.rebuild(backups);
  }
}

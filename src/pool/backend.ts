import { type Endpoint, formatAddress } from '../address.js';
import { decayLatency } from './latency.js';
import { type SharedTable, State, type StateName } from './table.js';

export type AdminState = 'ready' | 'drain' | 'maint';
export type HealthState = 'checking' | 'up' | 'down';

/** A change of what people see as the backend's state. */
export interface Transition {
  readonly backend: Backend;
  readonly from: StateName;
  readonly to: StateName;
  /** Why, in words: `connection refused`, `3 probes failed: timeout after 1s`, `by operator`. */
  readonly reason: string;
  /** False for going down in the way of things: the backend turned out to have another role than the service wants. */
  readonly alarming: boolean;
}

export interface BackendInit {
  readonly service: string;
  readonly id: string;
  readonly endpoint: Endpoint;
  readonly slot: number;
  readonly weight: number;
  readonly backup: boolean;
  readonly maxConnections: number;
  readonly admin: AdminState;
  /** Whether it may get connections while it is `checking`; false where its role must be known first. Default: true. */
  readonly trusted?: boolean;
}

/** What was decided about a backend, for another process that takes over from this one. */
export interface BackendState {
  readonly admin: AdminState;
  readonly health: HealthState;
  readonly downReason: string;
  readonly weight: number;
  readonly share: number;
  readonly standIn: boolean;
  readonly trusted: boolean;
  readonly measured: number;
  readonly sunkAt: number;
}

/**
 * The control plane's view of one backend. What it decides (state, effective weight) is written into the shared table
 * and the generation is bumped; the data plane sees it at its next pick.
 */
export class Backend {
  readonly service: string;
  readonly endpoint: Endpoint;
  readonly key: string;
  readonly slot: number;
  id: string;
  /** Configured as a backup. */
  backup: boolean;
  maxConnections: number;
  weight: number;
  admin: AdminState;
  health: HealthState = 'checking';
  /** Whether it may get connections while it is `checking`. */
  trusted: boolean;
  /** Why it is down; empty while it is not. */
  downReason = '';
  /** Share of the weight that is in effect, in (0, 1]; below 1 during slow start. */
  private share = 1;
  /** Found to be a backup, by its role. */
  private standIn = false;
  /** The average response time before it was made to sink, and when that was. */
  private measured = 0;
  private sunkAt = 0;
  private readonly table: SharedTable;
  private readonly onTransition: (transition: Transition) => void;

  constructor(init: BackendInit, table: SharedTable, onTransition: (transition: Transition) => void) {
    this.service = init.service;
    this.id = init.id;
    this.endpoint = init.endpoint;
    this.key = formatAddress(init.endpoint);
    this.slot = init.slot;
    this.backup = init.backup;
    this.maxConnections = init.maxConnections;
    this.weight = init.weight;
    this.admin = init.admin;
    this.trusted = init.trusted ?? true;
    this.table = table;
    this.onTransition = onTransition;
    this.publish();
  }

  get state(): StateName {
    if (this.admin === 'maint') return 'maintenance';
    if (this.admin === 'drain') return 'draining';
    return this.health;
  }

  get active(): number {
    return Atomics.load(this.table.active, this.slot);
  }

  /**
   * Moving average of the response time in ms, as of the last answer; 0 while there was none. What strategies go by sinks
   * without answers, which would tell people that a backend with quiet connections is quick.
   */
  get latency(): number {
    const { latency, latencyAt } = this.table;
    return latencyAt[this.slot] === this.sunkAt ? this.measured : latency[this.slot]!;
  }

  /** Let the average that strategies go by sink, where there are no answers. Called now and then. */
  sinkLatency(now: number): void {
    this.measured = this.latency;
    decayLatency(this.table, this.slot, now);
    this.sunkAt = this.table.latencyAt[this.slot]!;
  }

  setHealth(health: HealthState, reason: string, alarming?: boolean): void {
    if (health === this.health) return;
    this.change(
      () => {
        this.health = health;
        this.downReason = health === 'down' ? reason : '';
        Atomics.store(this.table.failures, this.slot, 0);
      },
      reason,
      alarming,
    );
  }

  /** It stays down, but for another reason. */
  explain(reason: string): void {
    if (this.health === 'down') this.downReason = reason;
  }

  setAdmin(admin: AdminState, reason: string): void {
    if (admin === this.admin) return;
    this.change(() => {
      this.admin = admin;
    }, reason);
  }

  setBackup(backup: boolean): void {
    this.backup = backup;
    this.publish();
  }

  /** By its role it is to be picked only when no other is left. */
  setStandIn(standIn: boolean): void {
    if (standIn === this.standIn) return;
    this.standIn = standIn;
    this.publish();
  }

  setTrusted(trusted: boolean): void {
    if (trusted === this.trusted) return;
    this.trusted = trusted;
    this.publish();
  }

  setWeight(weight: number): void {
    this.weight = weight;
    this.publish();
  }

  /** Slow start: the share of the weight in effect, in (0, 1]. */
  setShare(share: number): void {
    if (share === this.share) return;
    this.share = share;
    this.publish();
  }

  /** Everything that was decided about it. */
  get decided(): BackendState {
    const { admin, health, downReason, weight, share, standIn, trusted, measured, sunkAt } = this;
    return { admin, health, downReason, weight, share, standIn, trusted, measured, sunkAt };
  }

  /** Take what another process decided: nothing has happened, so nobody hears of it. */
  restore(state: BackendState): void {
    const { admin, health, downReason, weight, share, standIn, trusted } = state;
    this.measured = state.measured;
    this.sunkAt = state.sunkAt;
    this.admin = admin;
    this.health = health;
    this.downReason = downReason;
    this.weight = weight;
    this.share = share;
    this.standIn = standIn;
    this.trusted = trusted;
    this.publish();
  }

  private change(apply: () => void, reason: string, alarming?: boolean): void {
    const from = this.state;
    apply();
    this.publish();
    const to = this.state;
    if (from === to) return;
    this.onTransition({ backend: this, from, to, reason, alarming: alarming ?? to === 'down' });
  }

  private publish(): void {
    this.table.weight[this.slot] = this.weight * this.share;
    Atomics.store(this.table.backup, this.slot, this.backup || this.standIn ? 1 : 0);
    const unproven = this.state === 'checking' && !this.trusted;
    Atomics.store(this.table.state, this.slot, unproven ? State.down : State[this.state]);
    this.table.bump();
  }
}

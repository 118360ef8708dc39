import { type Endpoint, formatAddress } from '../address.js';
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
  backup: boolean;
  maxConnections: number;
  weight: number;
  admin: AdminState;
  health: HealthState = 'checking';
  /** Why it is down; empty while it is not. */
  downReason = '';
  /** Share of the weight that is in effect, in (0, 1]; below 1 during slow start. */
  private share = 1;
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

  setHealth(health: HealthState, reason: string): void {
    if (health === this.health) return;
    this.change(() => {
      this.health = health;
      this.downReason = health === 'down' ? reason : '';
      Atomics.store(this.table.failures, this.slot, 0);
    }, reason);
  }

  setAdmin(admin: AdminState, reason: string): void {
    if (admin === this.admin) return;
    this.change(() => {
      this.admin = admin;
    }, reason);
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

  private change(apply: () => void, reason: string): void {
    const from = this.state;
    apply();
    this.publish();
    const to = this.state;
    if (from !== to) this.onTransition({ backend: this, from, to, reason });
  }

  private publish(): void {
    this.table.weight[this.slot] = this.weight * this.share;
    Atomics.store(this.table.state, this.slot, State[this.state]);
    this.table.bump();
  }
}

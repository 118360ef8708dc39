import { type BackendConfig, type BackendInput, MAX_WEIGHT, parseBackend } from '../config/backend.js';
import { Lb4Error } from '../errors.js';
import { monotonic } from '../monotonic.js';
import type { AdminState } from '../pool/backend.js';
import type { SharedTable } from '../pool/table.js';
import type { Plane } from '../threads/plane.js';
import type { Turn } from '../turn.js';
import type { Journal } from './journal.js';
import type { ServiceSet } from './services.js';
import { Shedder } from './shedder.js';
import { type BackendSnapshot, type Connections, connectionsSnapshot, snapshotBackend } from './snapshot.js';

/** What `removeBackend` did. */
export interface Removed {
  readonly id: string;
  /** Ids of the backends that it stood for. */
  readonly backends: readonly string[];
  /** Connections and flows that they still have. */
  readonly draining: number;
}

/** Which connections to list, and how many at most (1,000). */
export interface ConnectionFilter {
  /** Id of a backend. */
  readonly backend?: string;
  readonly limit?: number;
}

const DEFAULT_LISTED = 1_000;

/** What is operated on. */
export interface Operated {
  readonly services: ServiceSet;
  readonly table: SharedTable;
  readonly journal: Journal;
  readonly turn: Turn;
}

/**
 * What operators, and programs in their place, do to a running balancer. It takes effect at once and stands beside the
 * configuration until that says something else about the same backend. All of it throws, or rejects with, Lb4Error
 * LB4_NOT_FOUND for a service or backend that is not there.
 */
export abstract class Operations {
  protected readonly services: ServiceSet;
  protected readonly table: SharedTable;
  protected readonly turn: Turn;
  protected readonly shedder: Shedder;

  constructor({ services, table, journal, turn }: Operated) {
    this.services = services;
    this.table = table;
    this.turn = turn;
    this.shedder = new Shedder(table, journal, monotonic);
  }

  /** The data plane. Throws Lb4Error LB4_CLOSED while there is none to operate on. */
  protected abstract get running(): Plane;

  /** One backend as it is now. */
  backend(service: string, backend: string): BackendSnapshot {
    const control = this.services.find(service);
    return snapshotBackend(control, control.backends.find(backend), this.table);
  }

  /**
   * `ready`: it gets connections when it is healthy; `drain`: no new ones, open ones stay; `maint`: the same, and no
   * checks.
   */
  setState(service: string, backend: string, state: AdminState): void {
    const control = this.services.find(service);
    control.backends.setState(control.backends.find(backend), state);
  }

  /** A backend's weight, 0 to 65535. Throws Lb4Error LB4_USAGE for another number. */
  setWeight(service: string, backend: string, weight: number): void {
    if (!Number.isInteger(weight) || weight < 0 || weight > MAX_WEIGHT) {
      throw new Lb4Error(
        'LB4_USAGE',
        `weight: expected a whole number from 0 to ${MAX_WEIGHT}, got ${weight}`,
      );
    }
    const control = this.services.find(service);
    control.backends.setWeight(control.backends.find(backend), weight);
  }

  /**
   * Add a backend as the configuration would have it, until it is removed or the configuration has it too. Resolves to the
   * backends that it stands for. Rejects with Lb4Error LB4_CONFLICT where it is there already, or with ConfigError.
   */
  async addBackend(
    service: string,
    backend: BackendInput | BackendConfig,
  ): Promise<readonly BackendSnapshot[]> {
    const entry = typeof backend === 'object' && 'id' in backend ? backend : parseBackend(backend);
    const control = await this.change(async () => {
      const found = this.services.find(service);
      await found.backends.add(entry);
      return found;
    });
    return control.backends.of(entry.id).map(one => snapshotBackend(control, one, this.table));
  }

  /**
   * Take a backend out: it drains and is gone. One that came from a name goes with all that the name stands for. Rejects
   * with Lb4Error LB4_CONFLICT for one of several that a name stands for.
   */
  async removeBackend(service: string, backend: string): Promise<Removed> {
    const gone = await this.change(() => this.services.find(service).backends.remove(backend));
    const draining = gone.reduce((sum, { active }) => sum + active, 0);
    return { id: backend, backends: gone.map(({ id }) => id), draining };
  }

  /** The connections or flows of a service, the oldest first. */
  async connections(
    service: string,
    { backend, limit = DEFAULT_LISTED }: ConnectionFilter = {},
  ): Promise<Connections> {
    const control = this.services.find(service);
    const slot = backend === undefined ? undefined : control.backends.findOpen(backend).slot;
    const query = { service: control.slot, backend: slot, order: 'oldest', limit } as const;
    return connectionsSnapshot(await this.running.connections(query), monotonic());
  }

  /**
   * Close the connections that a backend has now, the quietest first, at `perSecond` (> 0, may be Infinity; default: all
   * within 5 s, but at least 100). Returns how many there are.
   */
  closeConnections(service: string, backend: string, perSecond?: number): number {
    const control = this.services.find(service);
    return this.shedder.close(this.running, control, control.backends.findOpen(backend), pace(perSecond));
  }

  /**
   * Level the load of a service by weight, for the sake of backends that came late: close connections of those that
   * have more than their share, the quietest and oldest first and only as many as needed, at `perSecond` (default 10);
   * their clients come back and find the others. Returns how many at most. Throws Lb4Error LB4_CONFLICT where
   * the strategy sends each client back.
   */
  rebalance(service: string, perSecond?: number): number {
    return this.shedder.rebalance(this.running, this.services.find(service), pace(perSecond));
  }

  /** Change a list of backends; resolves when the data plane has it. */
  private async change<T>(work: () => Promise<T>): Promise<T> {
    const done = await this.turn.take(() => {
      void this.running;
      return work();
    });
    await this.services.planned();
    return done;
  }
}

function pace(perSecond: number | undefined): number | undefined {
  if (perSecond === undefined || perSecond > 0) return perSecond;
  throw new Lb4Error('LB4_USAGE', `expected more than 0 connections a second, got ${perSecond}`);
}

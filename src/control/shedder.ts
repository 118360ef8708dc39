import { quote } from '../config/text.js';
import { Lb4Error } from '../errors.js';
import type { Backend } from '../pool/backend.js';
import { type SharedTable, State } from '../pool/table.js';
import type { Plane } from '../threads/plane.js';
import { drainPace } from './drains.js';
import type { Journal } from './journal.js';
import { excess, type Load, nextToClose } from './rebalance.js';
import type { ServiceControl } from './service.js';
import { Shedding, type SheddingJob } from './shedding.js';

/** Connections a second that a rebalance closes where nothing else is asked for: a background job, not a storm. */
const REBALANCE_PACE = 10;
/** Strategies that would send each client back to where it was, or want all of them in one place. */
const STICKY = new Set(['ip-hash', 'maglev', 'first']);

/** What was asked for, by slots: to close a backend's connections, or (without one) to level a service. */
interface ShedOrder {
  readonly service: number;
  readonly backend?: number;
  readonly perSecond: number;
}

/** How far a job is that another process began. */
interface Progress {
  readonly left: number;
  readonly startedBefore?: number;
}

export type ShedState = ShedOrder & Required<Progress>;

type Wanted = Omit<SheddingJob, 'done'> & { readonly order: ShedOrder };

/** Closes open connections where operators want it. One job for each backend, and one for each service's rebalance. */
export class Shedder {
  private readonly table: SharedTable;
  private readonly journal: Journal;
  private readonly now: () => number;
  private readonly jobs = new Map<string, { readonly order: ShedOrder; readonly job: Shedding }>();

  constructor(table: SharedTable, journal: Journal, now: () => number) {
    this.table = table;
    this.journal = journal;
    this.now = now;
  }

  /**
   * Close the connections that a backend has now. `perSecond` > 0, may be Infinity; default: as draining does. Returns
   * how many. One that is under way for the backend ends.
   */
  close(
    plane: Plane,
    service: ServiceControl,
    backend: Backend,
    perSecond?: number,
    { left: count, startedBefore }: Progress = { left: backend.active },
  ): number {
    const { slot } = backend;
    const fields = { service: service.config.name, backend: backend.id };
    const pace = perSecond ?? drainPace(count);
    this.begin(plane, fields, {
      order: { service: service.slot, backend: slot, perSecond: pace },
      service: service.slot,
      count,
      perSecond: pace,
      startedBefore,
      detail: 'closed by operator',
      next: some => new Map([[slot, some]]),
    });
    return count;
  }

  /**
   * Close as many connections as it takes to level the load by weight. Returns how many that are at most: fewer are
   * closed when the load levels meanwhile. Throws Lb4Error LB4_CONFLICT where the strategy would bring them back.
   */
  rebalance(plane: Plane, service: ServiceControl, perSecond = REBALANCE_PACE, progress?: Progress): number {
    const { kind } = service.config.strategy;
    if (STICKY.has(kind)) {
      const message = `the strategy ${quote(kind)} sends each client where it was: closing connections would level nothing`;
      throw new Lb4Error('LB4_CONFLICT', message);
    }
    const over = (): Map<number, number> => excess(loadsOf(service, this.table));
    const count = progress?.left ?? [...over().values()].reduce((sum, one) => sum + one, 0);
    const fields = { service: service.config.name };
    this.begin(plane, fields, {
      order: { service: service.slot, perSecond },
      service: service.slot,
      count,
      perSecond,
      startedBefore: progress?.startedBefore,
      detail: 'closed to rebalance',
      next: some => nextToClose(over(), some),
    });
    return count;
  }

  /** What is under way, for another process. */
  get state(): readonly ShedState[] {
    return [...this.jobs.values()].map(({ order, job: { left, startedBefore } }) => ({
      ...order,
      left,
      startedBefore,
    }));
  }

  /** Go on with what another process had under way. */
  resume(plane: Plane, services: readonly ServiceControl[], states: readonly ShedState[]): void {
    for (const { service, backend, perSecond, ...progress } of states) {
      const control = services.find(({ slot }) => slot === service);
      if (control === undefined) continue;
      if (backend === undefined) {
        this.rebalance(plane, control, perSecond, progress);
        continue;
      }
      const found = control.backends.everyone.find(({ slot }) => slot === backend);
      if (found !== undefined) this.close(plane, control, found, perSecond, progress);
    }
  }

  /** Close nothing more. */
  stop(): void {
    for (const { job } of this.jobs.values()) job.stop();
    this.jobs.clear();
  }

  private begin(plane: Plane, fields: object, { order, ...job }: Wanted): void {
    const key = `${order.service} ${order.backend ?? 'rebalance'}`;
    this.jobs.get(key)?.job.stop();
    this.jobs.delete(key);
    const { count, perSecond, detail } = job;
    if (count === 0) return;
    const { log } = this.journal;
    const pace = perSecond === Number.POSITIVE_INFINITY ? 'at once' : perSecond;
    log.info({ ...fields, connections: count, per_second: pace, detail }, 'closing connections');
    const done = (closed: number): void => {
      this.jobs.delete(key);
      log.info({ ...fields, closed, detail }, 'connections were closed');
    };
    this.jobs.set(key, { order, job: new Shedding(plane, { ...job, done }, this.now) });
  }
}

/** The backends that get connections, as the data plane sees them, with the share of the load that each should have. */
function loadsOf({ backends, config }: ServiceControl, table: SharedTable): Load[] {
  const usable = backends.list.filter(({ slot, weight }) => {
    const state = Atomics.load(table.state, slot);
    return weight > 0 && (state === State.up || state === State.checking);
  });
  const isBackup = (slot: number): boolean => Atomics.load(table.backup, slot) === 1;
  const primaries = usable.some(({ slot }) => !isBackup(slot));
  const even = config.strategy.kind === 'round-robin';
  return usable.map(({ slot, active, maxConnections }) => ({
    slot,
    active,
    weight: isBackup(slot) && primaries ? 0 : even ? 1 : table.weight[slot]!,
    room: maxConnections === 0 ? Number.POSITIVE_INFINITY : maxConnections,
  }));
}

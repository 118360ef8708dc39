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

/** Closes open connections where operators want it. One job for each backend, and one for each service's rebalance. */
export class Shedder {
  private readonly table: SharedTable;
  private readonly journal: Journal;
  private readonly now: () => number;
  private readonly jobs = new Map<string, Shedding>();

  constructor(table: SharedTable, journal: Journal, now: () => number) {
    this.table = table;
    this.journal = journal;
    this.now = now;
  }

  /**
   * Close the connections that a backend has now. `perSecond` > 0, may be Infinity; default: as draining does. Returns
   * how many. One that is under way for the backend ends.
   */
  close(plane: Plane, service: ServiceControl, backend: Backend, perSecond?: number): number {
    const { slot, active } = backend;
    const fields = { service: service.config.name, backend: backend.id };
    this.begin(`backend ${slot}`, plane, fields, {
      service: service.slot,
      count: active,
      perSecond: perSecond ?? drainPace(active),
      detail: 'closed by operator',
      next: count => new Map([[slot, count]]),
    });
    return active;
  }

  /**
   * Close as many connections as it takes to level the load by weight. Returns how many that are at most: fewer are
   * closed when the load levels meanwhile. Throws Lb4Error LB4_CONFLICT where the strategy would bring them back.
   */
  rebalance(plane: Plane, service: ServiceControl, perSecond = REBALANCE_PACE): number {
    const { kind } = service.config.strategy;
    if (STICKY.has(kind)) {
      const message = `the strategy ${quote(kind)} sends each client where it was: closing connections would level nothing`;
      throw new Lb4Error('LB4_CONFLICT', message);
    }
    const over = (): Map<number, number> => excess(loadsOf(service, this.table));
    const count = [...over().values()].reduce((sum, one) => sum + one, 0);
    this.begin(
      `service ${service.slot}`,
      plane,
      { service: service.config.name },
      {
        service: service.slot,
        count,
        perSecond,
        detail: 'closed to rebalance',
        next: some => nextToClose(over(), some),
      },
    );
    return count;
  }

  /** Close nothing more. */
  stop(): void {
    for (const job of this.jobs.values()) job.stop();
    this.jobs.clear();
  }

  private begin(key: string, plane: Plane, fields: object, job: Omit<SheddingJob, 'done'>): void {
    this.jobs.get(key)?.stop();
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
    this.jobs.set(key, new Shedding(plane, { ...job, done }, this.now));
  }
}

/** The backends that get connections, as the data plane sees them, with the share of the load that each should have. */
function loadsOf({ list, config }: ServiceControl, table: SharedTable): Load[] {
  const usable = list.filter(({ slot, weight }) => {
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

import type { SharedTable } from '../pool/table.js';
import { type PlaneOptions, startPlane, threadCount } from '../threads/start.js';
import type { EventHub } from './events.js';
import type { Journal } from './journal.js';
import { descriptorBudget, type ServiceSet } from './services.js';

export interface DataPlaneDeps {
  readonly services: ServiceSet;
  readonly table: SharedTable;
  readonly journal: Journal;
  readonly events: EventHub;
  readonly faults: boolean;
  /** Nothing is accepted before the plane's `go`: another process still serves. */
  readonly standby?: boolean;
}

/**
 * Start the data plane that the configuration wants; what it has to tell goes to services, journal and events. Rejects with
 * Lb4Error LB4_ENGINE.
 */
export async function startDataPlane(deps: DataPlaneDeps): ReturnType<typeof startPlane> {
  const { services, table, journal, events, faults, standby = false } = deps;
  const { config } = services;
  const { log } = journal;
  const options: PlaneOptions = {
    engine: config.runtime.engine,
    threads: threadCount(config.runtime.threads),
    maxParked: descriptorBudget(config).maxParked,
    table,
    faults,
    standby,
    sink: {
      finished: record => journal.finished(record),
      backendFailing: (slot, reason) => services.passiveFailure(slot, reason),
      trouble: reason => journal.trouble(reason, reason),
    },
    onFault: fault => log.error(fault, 'a strategy misbehaves; another backend was picked'),
    onThreadLost: (thread, connections, error) => {
      log.error(
        { thread, lost_connections: connections, err: error },
        'a data-plane thread died and is replaced',
      );
      events.emit({ type: 'thread_lost', thread, connections, reason: error.message });
    },
  };
  const started = await startPlane(options);
  const { plane, why } = started;
  table.onChange = () => plane.look();
  log.info({ engine: plane.engine, threads: plane.threads, why }, 'engine');
  return started;
}

import type { SharedTable, StateName } from '../pool/table.js';
import { Tally } from '../pool/totals.js';
import type { Departed } from './departed.js';
import type { ServiceControl } from './service.js';

/** Everything that is counted, at one moment: what metrics are made from. Counts are since the start. */
export interface Measures {
  readonly version: string;
  readonly engine: string;
  readonly threads: number;
  /** Connections and flows that the process takes; 0 = no limit. */
  readonly maxConnections: number;
  readonly reloads: number;
  readonly reloadsRefused: number;
  readonly threadsLost: number;
  readonly connectionsLost: number;
  readonly services: readonly ServiceMeasures[];
}

export interface ServiceMeasures {
  readonly name: string;
  readonly protocol: 'tcp' | 'udp';
  /** Connections that have no backend yet. */
  readonly unassigned: number;
  /** Those of them that wait in the queue for a backend with room. */
  readonly queued: number;
  /** So few backends are healthy that health is ignored. */
  readonly panic: boolean;
  /** What concerns no backend. */
  readonly tally: Tally;
  readonly backends: readonly BackendMeasures[];
}

export interface BackendMeasures {
  readonly id: string;
  readonly tally: Tally;
  /** Absent once it is gone. */
  readonly now?: {
    readonly state: StateName;
    /** In effect: slow start makes it smaller than the configured one. */
    readonly weight: number;
    /** Connections or flows open or being dialled. */
    readonly active: number;
  };
}

/**
 * Measure services. Several of one name, of which all but the first are on their way out, are one; so are backends of one
 * id. `departed` has what those left behind that are gone.
 */
export function measureServices(
  controls: readonly ServiceControl[],
  departed: Departed,
  table: SharedTable,
): ServiceMeasures[] {
  const names = new Map<string, ServiceControl[]>();
  for (const control of controls) {
    const { name } = control.config;
    names.set(name, [...(names.get(name) ?? []), control]);
  }
  return [...names.values()].map(same => measureService(same, departed, table));
}

function measureService(
  controls: readonly ServiceControl[],
  departed: Departed,
  table: SharedTable,
): ServiceMeasures {
  const { slot, config } = controls[0]!;
  const { name, protocol } = config;
  const panic = Atomics.load(table.panic, slot) === 1;
  const tally = new Tally();
  const backends = new Map<string, BackendMeasures>();
  let unassigned = 0;
  let queued = 0;
  for (const control of controls) {
    tally.add(table.tally(control.slot));
    unassigned += Atomics.load(table.active, control.slot);
    queued += Atomics.load(table.board.waiting, control.slot);
    for (const { id, slot, state } of control.backends.everyone) {
      const active = Atomics.load(table.active, slot);
      unassigned -= active;
      const mine = table.tally(slot);
      const same = backends.get(id);
      backends.set(
        id,
        same?.now === undefined
          ? { id, tally: mine, now: { state, weight: table.weight[slot]!, active } }
          : { id, tally: mine.add(same.tally), now: { ...same.now, active: same.now.active + active } },
      );
    }
  }
  for (const [id, left] of departed.of(name)) {
    const here = backends.get(id);
    if (id === '') tally.add(left);
    else if (here === undefined) backends.set(id, { id, tally: left });
    else here.tally.add(left);
  }
  // Other threads go on meanwhile: the sum may be off by those that just changed hands.
  unassigned = Math.max(0, unassigned);
  return { name, protocol, unassigned, queued, panic, tally, backends: [...backends.values()] };
}

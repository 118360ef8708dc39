import { Peer } from '../../src/address.js';
import { Backend, type BackendInit, type Transition } from '../../src/pool/backend.js';
import { Picker } from '../../src/pool/picker.js';
import type { BackendPlan } from '../../src/pool/plan.js';
import { SlotAllocator } from '../../src/pool/slots.js';
import { SharedTable } from '../../src/pool/table.js';
import { type StrategyName, strategies } from '../../strategies/index.js';
import { seeded } from '../strategies/helpers.js';

type Extra = Partial<Pick<BackendInit, 'weight' | 'backup' | 'maxConnections' | 'admin'>>;

/** A service's backends on a real table, with the picker of one thread in front of them. */
export class Fleet {
  readonly table: SharedTable;
  readonly slots: SlotAllocator;
  readonly service: number;
  readonly backends: Backend[] = [];
  readonly transitions: Transition[] = [];
  readonly picker: Picker;

  constructor(strategy: StrategyName, extras: readonly Extra[], threads = 1) {
    this.table = SharedTable.create(threads);
    this.slots = new SlotAllocator(this.table);
    this.service = this.slots.take();
    const [primary, backup] = this.table
      .memories(this.service)
      .map(memory => strategies[strategy].factory({ options: {}, random: seeded(7), memory }));
    this.picker = new Picker(this.table, this.service, primary!, backup!);
    for (const extra of extras) this.add(extra);
    this.publish();
  }

  add(extra: Extra = {}): Backend {
    const n = this.backends.length;
    const backend = new Backend(
      {
        service: 'web',
        id: `b${n}`,
        endpoint: { kind: 'ip', host: `10.0.0.${n + 1}`, port: 80 },
        slot: this.slots.take(),
        weight: 1,
        backup: false,
        maxConnections: 0,
        admin: 'ready',
        ...extra,
      },
      this.table,
      transition => this.transitions.push(transition),
    );
    this.backends.push(backend);
    return backend;
  }

  /** Tell the picker which backends there are. */
  publish(backends: readonly Backend[] = this.backends): void {
    this.picker.setBackends(this.plans(backends));
  }

  plans(backends: readonly Backend[] = this.backends): BackendPlan[] {
    return backends.map(({ slot, id, key, endpoint, maxConnections }) => ({
      slot,
      id,
      key,
      endpoint,
      maxConnections,
    }));
  }

  /** Id of the backend that a client gets, or why it gets none. The place stays taken unless `release`. */
  pick(client = 1, tried?: readonly number[], release = false): string {
    const picked = this.picker.pick(new Peer().setV4(client, 1000), tried);
    if (picked === undefined) return this.picker.noPick;
    if (release) this.table.release(picked.slot);
    return picked.id;
  }

  /** What `count` clients one after the other get, none of them staying. */
  sequence(count: number): string {
    return Array.from({ length: count }, (_, i) => this.pick(i, undefined, true)).join(' ');
  }
}

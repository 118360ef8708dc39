import { Lb4Error } from '../errors.js';
import { PROCESS_SLOT, type SharedTable, State } from './table.js';
import { MAX_SLOTS } from './totals.js';

export interface SlotsState {
  readonly next: number;
  readonly freed: readonly number[];
}

/** Hands out slots; control plane only. Freed slots are reused last-freed-last, so that late records find no new owner. */
export class SlotAllocator {
  private next = PROCESS_SLOT + 1;
  private freed: number[] = [];
  private readonly table: SharedTable;

  constructor(table: SharedTable) {
    this.table = table;
  }

  /** Throws Lb4Error LB4_LIMIT when all slots are taken. */
  take(): number {
    const slot = this.next < MAX_SLOTS ? this.next++ : this.freed.shift();
    if (slot === undefined) throw tooMany();
    this.table.clear(slot);
    return slot;
  }

  /** Throws Lb4Error LB4_LIMIT when `take` could not be called so often. */
  expect(count: number): void {
    if (count > MAX_SLOTS - this.next + this.freed.length) throw tooMany();
  }

  /** Which slots are taken, and in which order the others will be. */
  get state(): SlotsState {
    return { next: this.next, freed: [...this.freed] };
  }

  /** As if everything that led to this state had happened here. */
  set state({ next, freed }: SlotsState) {
    this.next = next;
    this.freed = [...freed];
  }

  free(slot: number): void {
    Atomics.store(this.table.state, slot, State.free);
    this.freed.push(slot);
  }
}

function tooMany(): Lb4Error {
  return new Lb4Error('LB4_LIMIT', `expected at most ${MAX_SLOTS - 1} services and backends together`);
}

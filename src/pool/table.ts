import { COLUMNS, type MemoryColumns, OWN_NUMBERS, type StrategyMemory } from '../../strategies/memory.js';
import { addBelow } from './add-below.js';
import { CONTROL, SpinLock } from './lock.js';
import {
  clearTotals,
  MAX_SLOTS,
  Tally,
  TOTALS_BYTES,
  type Total,
  Totals,
  totalAt,
  writeTally,
} from './totals.js';
import { WAIT_BYTES, WaitBoard } from './wait-board.js';

/**
 * The shared table: the one place where control plane and data plane meet. It lies in SharedArrayBuffers, so that
 * every data-plane thread sees a change at its next pick without being told.
 *
 * A slot is a number that stands for the process (slot 0), a service or a backend. Fields that several threads change
 * are Int32 and go through Atomics; totals are Float64 blocks with one writer a thread, which readers add up.
 */
export const PROCESS_SLOT = 0;
export const State = { free: 0, checking: 1, up: 2, down: 3, draining: 4, maintenance: 5 } as const;
export type StateName = Exclude<keyof typeof State, 'free'>;
const NAMES = Object.keys(State) as (keyof typeof State)[];
export const STATE_NAMES = NAMES.filter(name => name !== 'free');

/** What a worker thread needs to see the same table. */
export interface TableBuffers {
  readonly ints: SharedArrayBuffer;
  readonly floats: SharedArrayBuffer;
  /** A block for each thread, and the last for the control plane. */
  readonly totals: readonly SharedArrayBuffer[];
  /** What each thread has added to `active`. */
  readonly shares: readonly SharedArrayBuffer[];
  /** Each thread's part of the board of those who wait. */
  readonly waits: readonly SharedArrayBuffer[];
}

/** A token bucket that all threads share: read and written under the lock only. */
export interface RateCell {
  readonly lock: SpinLock;
  /** [0] tokens taken and not made up for yet, [1] when that was so, monotonic ms. All zero is a full bucket. */
  readonly bucket: Float64Array;
}

/** A slot as plain data. */
export interface SlotState {
  readonly slot: number;
  readonly state: number;
  readonly failures: number;
  readonly panic: number;
  readonly backup: number;
  readonly weight: number;
  readonly latency: number;
  readonly latencyAt: number;
  readonly bucket: readonly number[];
  readonly columns: Readonly<Record<string, number>>;
  readonly own: readonly (readonly number[])[];
}

const RATE_LOCKS = 5;
const PICK_LOCKS = 6;
const WAITING = 8;
const TICKETS = 9;
const INT_FIELDS = 10;
/** Two numbers for each slot. */
const BUCKETS = 3;
const MEMORY_COLUMNS = 5;
/** For each slot what the strategies of a service remember: that of its primaries and that of its backups. */
const MEMORIES = MEMORY_COLUMNS + COLUMNS.length;
const TIERS = 2;
const FLOAT_FIELDS = MEMORIES + TIERS * OWN_NUMBERS;

export class SharedTable {
  readonly buffers: TableBuffers;
  /** The thread that sees the table through this object. */
  readonly index: number;
  /** Connections or flows open or dialling. */
  readonly active: Int32Array;
  /** A `State` value. */
  readonly state: Int32Array;
  /** Consecutive connect failures of real traffic. */
  readonly failures: Int32Array;
  /** Service slots: 1 while so few backends are healthy that health is ignored. */
  readonly panic: Int32Array;
  /** [0] grows with every change of set, state or weight and tells pickers to rebuild. */
  readonly generation: Int32Array;
  /** Backend slots: 1 for a backup, which gets connections only when no primary is left. */
  readonly backup: Int32Array;
  /** Effective weight; written by the control plane only. */
  readonly weight: Float64Array;
  /** Moving average of the response time in ms. Racing writers may lose a sample, never tear a value. */
  readonly latency: Float64Array;
  /** When `latency` was last updated, monotonic ms. */
  readonly latencyAt: Float64Array;

  /** Who waits for a place. */
  readonly board: WaitBoard;

  /** Called after each change of set, state or weight; only where that is made, in the control plane's thread. */
  onChange: () => void = () => {};

  private readonly share: Int32Array;
  private readonly blocks: readonly Float64Array[];
  /** Who holds the lock of a slot's bucket, and of its strategies. */
  private readonly rateLocks: Int32Array;
  private readonly pickLocks: Int32Array;
  private readonly columns: MemoryColumns;

  /** The table as thread `index` sees it. */
  constructor(buffers: TableBuffers, index = 0) {
    this.buffers = buffers;
    this.index = index;
    this.share = new Int32Array(buffers.shares[index]!);
    this.blocks = buffers.totals.map(buffer => new Float64Array(buffer));
    const ints = (field: number) => new Int32Array(buffers.ints, field * MAX_SLOTS * 4, MAX_SLOTS);
    const floats = (field: number) => new Float64Array(buffers.floats, field * MAX_SLOTS * 8, MAX_SLOTS);
    this.active = ints(0);
    this.state = ints(1);
    this.failures = ints(2);
    this.panic = ints(3);
    this.generation = ints(4);
    this.rateLocks = ints(RATE_LOCKS);
    this.pickLocks = ints(PICK_LOCKS);
    this.backup = ints(7);
    this.board = new WaitBoard(ints(WAITING), ints(TICKETS), buffers.waits, index);
    this.weight = floats(0);
    this.latency = floats(1);
    this.latencyAt = floats(2);
    const column = (name: keyof MemoryColumns) => floats(MEMORY_COLUMNS + COLUMNS.indexOf(name));
    this.columns = {
      since: column('since'),
      taken: column('taken'),
      period: column('period'),
      pickedAt: column('pickedAt'),
    };
  }

  /** A fresh table for `threads` data-plane threads. */
  static create(threads: number): SharedTable {
    return new SharedTable({
      ints: new SharedArrayBuffer(INT_FIELDS * MAX_SLOTS * 4),
      floats: new SharedArrayBuffer(FLOAT_FIELDS * MAX_SLOTS * 8),
      totals: Array.from({ length: threads + 1 }, () => new SharedArrayBuffer(TOTALS_BYTES)),
      shares: Array.from({ length: threads }, () => new SharedArrayBuffer(MAX_SLOTS * 4)),
      waits: Array.from({ length: threads }, () => new SharedArrayBuffer(WAIT_BYTES)),
    });
  }

  /** The totals that thread `index` writes. */
  totalsOf(index: number): Totals {
    return new Totals(this.buffers.totals[index]!);
  }

  /** The totals that the control plane writes. */
  controlTotals(): Totals {
    return this.totalsOf(this.buffers.totals.length - 1);
  }

  /** The bucket of a service's `connection_rate`. */
  rateCell(slot: number): RateCell {
    return { lock: new SpinLock(this.rateLocks, slot, this.index), bucket: this.bucket(slot) };
  }

  /** For a service's exclusive strategies; undefined where one thread picks. */
  pickLock(slot: number): SpinLock | undefined {
    const { length } = this.buffers.shares;
    return length > 1 ? new SpinLock(this.pickLocks, slot, this.index) : undefined;
  }

  /** What the strategies of a service remember in all threads: that of its primaries, that of its backups. */
  memories(slot: number): [primary: StrategyMemory, backup: StrategyMemory] {
    const columns = () => this.columns;
    return [
      { own: this.ownNumbers(slot, 0), columns },
      { own: this.ownNumbers(slot, 1), columns },
    ];
  }

  /** A total added up over all threads; the first number of those that have several. */
  total(slot: number, name: Total): number {
    let sum = 0;
    for (const block of this.blocks) sum += totalAt(block, slot, name);
    return sum;
  }

  /** All totals added up over all threads. */
  tally(slot: number): Tally {
    const tally = new Tally();
    for (const block of this.blocks) tally.addSlot(block, slot);
    return tally;
  }

  /** What another process had counted for the slot is what the control plane has, while nothing else was counted. */
  writeTally(slot: number, tally: Tally): void {
    writeTally(this.blocks.at(-1)!, slot, tally);
  }

  stateName(slot: number): keyof typeof State {
    return NAMES[Atomics.load(this.state, slot)]!;
  }

  /** Tell every picker to rebuild at its next pick. */
  bump(): void {
    Atomics.add(this.generation, 0, 1);
    this.onChange();
  }

  /** Clear a slot for a new owner. */
  clear(slot: number): void {
    Atomics.store(this.active, slot, 0);
    Atomics.store(this.state, slot, State.free);
    Atomics.store(this.failures, slot, 0);
    Atomics.store(this.panic, slot, 0);
    Atomics.store(this.backup, slot, 0);
    this.weight[slot] = 0;
    this.latency[slot] = 0;
    this.latencyAt[slot] = 0;
    this.board.clear(slot);
    this.bucket(slot).fill(0);
    for (const block of this.blocks) clearTotals(block, slot);
    for (const name of COLUMNS) this.columns[name][slot] = 0;
    for (let tier = 0; tier < TIERS; tier++) this.ownNumbers(slot, tier).fill(0);
  }

  /**
   * Take one place at `slot` unless `limit` places are taken (0 = no limit). Exact across threads.
   * Returns false when it is full.
   */
  tryAcquire(slot: number, limit: number): boolean {
    if (limit === 0) Atomics.add(this.active, slot, 1);
    else if (!addBelow(this.active, slot, limit)) return false;
    this.share[slot]!++;
    return true;
  }

  /** Take one place whatever the limit; how many were taken before. */
  acquire(slot: number): number {
    this.share[slot]!++;
    return Atomics.add(this.active, slot, 1);
  }

  release(slot: number): void {
    this.share[slot]!--;
    Atomics.sub(this.active, slot, 1);
  }

  /** A thread has died: what it had is gone: places, locks, those who waited. How many connections that were. */
  writeOff(index: number): number {
    const share = new Int32Array(this.buffers.shares[index]!);
    const lost = share[PROCESS_SLOT]!;
    this.board.writeOff(index, this.buffers.waits[index]!);
    for (let slot = 0; slot < MAX_SLOTS; slot++) {
      // What they guard is valid whatever the thread was about to write: half of it done loses a token or a turn at most.
      for (const locks of [this.rateLocks, this.pickLocks]) {
        if (locks[slot] === 0) continue;
        const lock = new SpinLock(locks, slot, CONTROL);
        if (lock.seize(index)) lock.release();
      }
      if (share[slot] === 0) continue;
      Atomics.sub(this.active, slot, share[slot]!);
      share[slot] = 0;
    }
    return lost;
  }

  /**
   * What has to be copied of a slot when another process takes over: everything but the counts of what is open or waits,
   * which come with the connections themselves, and the totals.
   */
  readSlot(slot: number): SlotState {
    return {
      slot,
      state: Atomics.load(this.state, slot),
      failures: Atomics.load(this.failures, slot),
      panic: Atomics.load(this.panic, slot),
      backup: Atomics.load(this.backup, slot),
      weight: this.weight[slot]!,
      latency: this.latency[slot]!,
      latencyAt: this.latencyAt[slot]!,
      bucket: [...this.bucket(slot)],
      columns: Object.fromEntries(COLUMNS.map(name => [name, this.columns[name][slot]!])),
      own: Array.from({ length: TIERS }, (_, tier) => [...this.ownNumbers(slot, tier)]),
    };
  }

  /** Write what `readSlot` of another process's table has told. */
  writeSlot(state: SlotState): void {
    const { slot } = state;
    Atomics.store(this.state, slot, state.state);
    Atomics.store(this.failures, slot, state.failures);
    Atomics.store(this.panic, slot, state.panic);
    Atomics.store(this.backup, slot, state.backup);
    this.weight[slot] = state.weight;
    this.latency[slot] = state.latency;
    this.latencyAt[slot] = state.latencyAt;
    this.bucket(slot).set(state.bucket);
    for (const name of COLUMNS) this.columns[name][slot] = state.columns[name] ?? 0;
    for (let tier = 0; tier < TIERS; tier++) {
      // Another version may know more or fewer of them.
      this.ownNumbers(slot, tier).set((state.own[tier] ?? []).slice(0, OWN_NUMBERS));
    }
  }

  private bucket(slot: number): Float64Array {
    return new Float64Array(this.buffers.floats, (BUCKETS * MAX_SLOTS + 2 * slot) * 8, 2);
  }

  private ownNumbers(slot: number, tier: number): Float64Array {
    const at = MEMORIES * MAX_SLOTS + (slot * TIERS + tier) * OWN_NUMBERS;
    return new Float64Array(this.buffers.floats, at * 8, OWN_NUMBERS);
  }
}

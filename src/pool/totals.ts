import { CLOSE_REASONS, type CloseReason } from './reasons.js';

/** Slots that one process can hold. Untouched pages cost nothing. */
export const MAX_SLOTS = 65_536;

/** Upper bounds of the buckets of every histogram, ms: from a backend on the same machine to one at the end of its timeout. */
export const BUCKETS_MS = [
  0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000,
] as const;
const BOUNDS = Float64Array.from(BUCKETS_MS);
/** A histogram's sum in ms lies behind its buckets and the one for what is beyond the last bound. */
export const HISTOGRAM_SUM = BUCKETS_MS.length + 1;
const HISTOGRAM_WIDTH = HISTOGRAM_SUM + 1;

export const CHECK_RESULTS = ['ok', 'failed', 'inconclusive'] as const;

/** What is counted of a slot, and how many numbers that takes. */
const WIDTHS = {
  connections: 1, // backend: established; service: accepted
  unserved: 1, // service: ended without having been connected to a backend
  bytesIn: 1, // from clients
  bytesOut: 1, // to clients
  connectFailures: 1,
  retries: 1,
  datagramsIn: 1,
  datagramsOut: 1,
  droppedDenied: 1, // datagrams
  droppedLimit: 1,
  droppedNoBackend: 1,
  closed: CLOSE_REASONS.length, // service: those that ended before a backend was picked
  connectTimes: HISTOGRAM_WIDTH,
  responseTimes: HISTOGRAM_WIDTH,
  checks: CHECK_RESULTS.length, // from here on the control plane counts
  checkTimes: HISTOGRAM_WIDTH,
  healthChanges: 1, // to up or down
} as const;
export type Total = keyof typeof WIDTHS;
export const TOTALS = Object.keys(WIDTHS) as Total[];

const OFFSETS = new Map<Total, number>();
let width = 0;
for (const name of TOTALS) {
  OFFSETS.set(name, width);
  width += WIDTHS[name];
}
/** Numbers of one slot. */
const WIDTH = width;
export const TOTALS_BYTES = WIDTH * MAX_SLOTS * 8;

/** The numbers of one total, slot after slot. */
function block(buffer: SharedArrayBuffer, name: Total): Float64Array {
  return new Float64Array(buffer, OFFSETS.get(name)! * MAX_SLOTS * 8, WIDTHS[name] * MAX_SLOTS);
}

/**
 * One thread's totals: written by that thread only, so that counting is one plain store. Arrays are indexed by slot; those
 * of several numbers a slot through the methods here.
 */
export class Totals {
  readonly connections: Float64Array;
  readonly unserved: Float64Array;
  readonly bytesIn: Float64Array;
  readonly bytesOut: Float64Array;
  readonly connectFailures: Float64Array;
  readonly retries: Float64Array;
  readonly datagramsIn: Float64Array;
  readonly datagramsOut: Float64Array;
  readonly droppedDenied: Float64Array;
  readonly droppedLimit: Float64Array;
  readonly droppedNoBackend: Float64Array;
  readonly healthChanges: Float64Array;
  private readonly closed: Float64Array;
  private readonly connectTimes: Float64Array;
  private readonly responseTimes: Float64Array;
  private readonly checks: Float64Array;
  private readonly checkTimes: Float64Array;

  constructor(buffer: SharedArrayBuffer) {
    this.connections = block(buffer, 'connections');
    this.unserved = block(buffer, 'unserved');
    this.bytesIn = block(buffer, 'bytesIn');
    this.bytesOut = block(buffer, 'bytesOut');
    this.connectFailures = block(buffer, 'connectFailures');
    this.retries = block(buffer, 'retries');
    this.datagramsIn = block(buffer, 'datagramsIn');
    this.datagramsOut = block(buffer, 'datagramsOut');
    this.droppedDenied = block(buffer, 'droppedDenied');
    this.droppedLimit = block(buffer, 'droppedLimit');
    this.droppedNoBackend = block(buffer, 'droppedNoBackend');
    this.healthChanges = block(buffer, 'healthChanges');
    this.closed = block(buffer, 'closed');
    this.connectTimes = block(buffer, 'connectTimes');
    this.responseTimes = block(buffer, 'responseTimes');
    this.checks = block(buffer, 'checks');
    this.checkTimes = block(buffer, 'checkTimes');
  }

  /** A connection or flow is over; `slot` is its last backend's, or the service's when none was picked. */
  ended(slot: number, reason: CloseReason): void {
    this.closed[slot * CLOSE_REASONS.length + CLOSE_REASONS.indexOf(reason)]!++;
  }

  connectTook(slot: number, ms: number): void {
    observe(this.connectTimes, slot, ms);
  }

  responseTook(slot: number, ms: number): void {
    observe(this.responseTimes, slot, ms);
  }

  checked(slot: number, result: (typeof CHECK_RESULTS)[number], ms: number): void {
    this.checks[slot * CHECK_RESULTS.length + CHECK_RESULTS.indexOf(result)]!++;
    observe(this.checkTimes, slot, ms);
  }
}

function observe(histogram: Float64Array, slot: number, ms: number): void {
  const at = slot * HISTOGRAM_WIDTH;
  let bucket = 0;
  while (bucket < BOUNDS.length && ms > BOUNDS[bucket]!) bucket++;
  histogram[at + bucket]!++;
  histogram[at + HISTOGRAM_SUM]! += ms;
}

/** Totals of several slots as one piece of memory; the names tell another version what is what. */
export interface TotalsCopy {
  readonly names: readonly (readonly [name: string, width: number])[];
  readonly slots: readonly number[];
  /** Slot after slot, each with all names in their order. */
  readonly numbers: Float64Array;
}

/** The totals of a slot, or of several, added up over all threads. */
export class Tally {
  private readonly values = new Float64Array(WIDTH);

  /** `index` where a total has several numbers: a reason's or a result's place in its list, a bucket. */
  get(name: Total, index = 0): number {
    return this.values[OFFSETS.get(name)! + index]!;
  }

  /** Its numbers, which are no copy. */
  get numbers(): Float64Array {
    return this.values;
  }

  add(other: Tally): this {
    for (let i = 0; i < WIDTH; i++) this.values[i]! += other.values[i]!;
    return this;
  }

  /** Add what one thread has counted for a slot. */
  addSlot(totals: Float64Array, slot: number): this {
    for (const name of TOTALS) {
      const offset = OFFSETS.get(name)!;
      const count = WIDTHS[name];
      const at = offset * MAX_SLOTS + slot * count;
      for (let i = 0; i < count; i++) this.values[offset + i]! += totals[at + i]!;
    }
    return this;
  }
}

/** What one thread has counted for a slot: the first number of a total. */
export function totalAt(totals: Float64Array, slot: number, name: Total): number {
  return totals[OFFSETS.get(name)! * MAX_SLOTS + slot * WIDTHS[name]]!;
}

/** Tallies of slots for another process. */
export function copyTotals(tallies: ReadonlyMap<number, Tally>): TotalsCopy {
  const numbers = new Float64Array(tallies.size * WIDTH);
  let at = 0;
  for (const tally of tallies.values()) {
    numbers.set(tally.numbers, at);
    at += WIDTH;
  }
  return { names: TOTALS.map(name => [name, WIDTHS[name]]), slots: [...tallies.keys()], numbers };
}

/** The tallies of such a copy, made by this version or another: what that does not count is 0, what this does not is left out. */
export function readTotals({ names, slots, numbers }: TotalsCopy): Map<number, Tally> {
  const tallies = new Map<number, Tally>();
  let at = 0;
  for (const slot of slots) {
    const tally = new Tally();
    for (const [name, count] of names) {
      const offset = OFFSETS.get(name as Total);
      if (offset !== undefined) {
        const kept = Math.min(count, WIDTHS[name as Total]);
        tally.numbers.set(numbers.subarray(at, at + kept), offset);
      }
      at += count;
    }
    tallies.set(slot, tally);
  }
  return tallies;
}

/** Have a tally as what one thread has counted for a slot. */
export function writeTally(totals: Float64Array, slot: number, tally: Tally): void {
  for (const name of TOTALS) {
    const count = WIDTHS[name];
    const at = OFFSETS.get(name)! * MAX_SLOTS + slot * count;
    for (let i = 0; i < count; i++) {
      const value = tally.get(name, i);
      // A page that nobody wrote to is not there: reading leaves it so.
      if (totals[at + i] !== value) totals[at + i] = value;
    }
  }
}

/** Set a slot's totals in one thread's block to zero. */
export function clearTotals(totals: Float64Array, slot: number): void {
  for (const name of TOTALS) {
    const count = WIDTHS[name];
    const at = OFFSETS.get(name)! * MAX_SLOTS + slot * count;
    // A page that nobody wrote to is not there: reading leaves it so.
    for (let i = at; i < at + count; i++) if (totals[i] !== 0) totals[i] = 0;
  }
}

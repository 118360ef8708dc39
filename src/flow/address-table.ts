import { randomFillSync } from 'node:crypto';
import { Lb4Error } from '../errors.js';

/** Fills an array with random bits. */
export type RandomFill = (words: Int32Array) => void;

/** Records are found by a 32-bit number with two slots for each; far beyond the memory anyone grants a table. */
export const MAX_RECORDS = 1 << 24;
/** Listener ids fit in 15 bits of the tag. */
export const MAX_LISTENER = 0x7fff;
/** No such record. */
export const NONE = -1;

const SIX = 1 << 16;
const FIRST_CAPACITY = 64;

// What a table knows beside its records: words of the same memory, so that several threads can share it.
const SIZE = 0;
/** Records that were ever in use; their numbers are below it. */
const USED = 1;
const HEAD = 2;
const TAIL = 3;
const FREED = 4;
/** 1 once the words are a table. */
const READY = 5;
const STATE_WORDS = 16;
const RANDOM_WORDS = 20 * 256;

// A record is eight words, half a cache line: the key, its hash, and the links of the order list.
const STRIDE = 8;
const TAG = 4;
const HASH = 5;
const PREV = 6;
const NEXT = 7;
/** `PREV` of a record that is not in the order list, and of one that is free. */
const DETACHED = -2;
const FREE = -3;

/** The fifth word of a key: what tells apart keys with the same address words. `listener` 0 to MAX_LISTENER. */
export function keyTag(family: 0 | 4 | 6, port: number, listener: number): number {
  return (listener << 17) | (family === 6 ? SIX : 0) | port;
}

/**
 * The core of the flow table and of the client counts: a hash table from an address (four words and a tag) to a record
 * number that stays the same until the record is removed. Owners keep their values in arrays under that number.
 * Address words are passed as signed numbers (`peer.a3 | 0`): beyond 2^31 V8 would box each of them on every call.
 *
 * Open addressing with linear probing and backward-shift deletion (Knuth, TAOCP 6.4, algorithm R), so no tombstones
 * pile up; at most half full. The hash is simple tabulation over random words of this table: constant time a probe
 * under linear probing (Pătraşcu & Thorup, "The Power of Simple Tabulation Hashing", 2011), and a client that
 * cannot read them cannot choose addresses that collide. Grows by doubling up to `max` records and never shrinks.
 *
 * Records can also be put in one list, in the order of `append`.
 *
 * A table can lie in memory that others share (`memory`). It does not grow then, and its users must
 * keep each other out: nothing here is atomic.
 */
export class AddressTable {
  /** Most records this table will hold. */
  readonly max: number;
  /** Record numbers are below this; grows in `insert`. */
  capacity: number;
  private readonly state: Int32Array;
  private readonly random: Int32Array;
  private records: Int32Array;
  /** A pair for each slot: the hash, and the record number + 1 or 0 for empty. */
  private slots: Int32Array;

  /**
   * `max` 1 to MAX_RECORDS, else Lb4Error LB4_LIMIT. `fill` seeds the hash.
   * `memory`: at least `words(max)` words, all zero or with such a table in them.
   */
  constructor(max: number, fill: RandomFill = randomFillSync, memory?: Int32Array) {
    if (!Number.isInteger(max) || max < 1 || max > MAX_RECORDS) {
      throw new Lb4Error('LB4_LIMIT', `expected a table of 1 to ${MAX_RECORDS} records, got ${max}`);
    }
    this.max = max;
    this.capacity = memory === undefined ? Math.min(max, FIRST_CAPACITY) : max;
    const words = memory ?? new Int32Array(AddressTable.words(this.capacity));
    this.state = words.subarray(0, STATE_WORDS);
    this.random = words.subarray(STATE_WORDS, STATE_WORDS + RANDOM_WORDS);
    const records = STATE_WORDS + RANDOM_WORDS;
    const slots = records + this.capacity * STRIDE;
    this.records = words.subarray(records, slots);
    this.slots = words.subarray(slots, slots + slotWords(this.capacity));
    if (this.state[READY] !== 0) return;
    this.state[READY] = 1;
    this.state.fill(NONE, HEAD, FREED + 1);
    const random = new Int32Array(RANDOM_WORDS);
    fill(random);
    this.random.set(random);
  }

  /** Words of memory for a table of `max` records that does not grow. */
  static words(max: number): number {
    return STATE_WORDS + RANDOM_WORDS + max * STRIDE + slotWords(max);
  }

  /** Records in use. */
  get size(): number {
    return this.state[SIZE]!;
  }

  /** Records with numbers from here on were never in use. */
  get used(): number {
    return this.state[USED]!;
  }

  /** The record at the front of the order list, NONE when it is empty. */
  get head(): number {
    return this.state[HEAD]!;
  }

  /** The record with this key, or NONE. */
  find(a0: number, a1: number, a2: number, a3: number, tag: number): number {
    const hash = this.hash(a0, a1, a2, a3, tag);
    const slots = this.slots;
    const records = this.records;
    const wrap = slots.length - 1;
    for (let s = (hash << 1) & wrap; ; s = (s + 2) & wrap) {
      const record = slots[s + 1]! - 1;
      if (record === NONE) return NONE;
      if (slots[s] !== hash) continue;
      const at = record * STRIDE;
      if (
        records[at + 3] === a3 &&
        records[at + TAG] === tag &&
        records[at + 2] === a2 &&
        records[at + 1] === a1 &&
        records[at] === a0
      ) {
        return record;
      }
    }
  }

  /** A new record for a key that is not there yet, outside of the order list; NONE when the table is full. */
  insert(a0: number, a1: number, a2: number, a3: number, tag: number): number {
    const { state } = this;
    let record = state[FREED]!;
    if (record !== NONE) {
      state[FREED] = this.records[record * STRIDE + NEXT]!;
    } else {
      record = state[USED]!;
      if (record === this.capacity && !this.grow()) return NONE;
      state[USED] = record + 1;
    }
    const hash = this.hash(a0, a1, a2, a3, tag);
    const at = record * STRIDE;
    const records = this.records;
    records[at] = a0;
    records[at + 1] = a1;
    records[at + 2] = a2;
    records[at + 3] = a3;
    records[at + TAG] = tag;
    records[at + HASH] = hash;
    records[at + PREV] = DETACHED;
    this.place(hash, record);
    state[SIZE]!++;
    return record;
  }

  /** Take the record out of the table and the order list; its number may be given to the next key. Twice is harmless. */
  remove(record: number): void {
    const at = record * STRIDE;
    const { records, slots, state } = this;
    if (records[at + PREV] === FREE) return;
    this.detach(record);
    const wrap = slots.length - 1;
    let hole = (records[at + HASH]! << 1) & wrap;
    while (slots[hole + 1] !== record + 1) hole = (hole + 2) & wrap;
    for (let s = (hole + 2) & wrap; slots[s + 1] !== 0; s = (s + 2) & wrap) {
      const home = (slots[s]! << 1) & wrap;
      // What sits here may move back to the hole unless its home lies behind the hole.
      if (((s - home) & wrap) < ((s - hole) & wrap)) continue;
      slots[hole] = slots[s]!;
      slots[hole + 1] = slots[s + 1]!;
      hole = s;
    }
    slots[hole + 1] = 0;
    records[at + PREV] = FREE;
    records[at + NEXT] = state[FREED]!;
    state[FREED] = record;
    state[SIZE]!--;
  }

  /** Put the record at the end of the order list, wherever it was. */
  append(record: number): void {
    const { records, state } = this;
    if (state[TAIL] === record) return;
    this.detach(record);
    const tail = state[TAIL]!;
    records[record * STRIDE + PREV] = tail;
    records[record * STRIDE + NEXT] = NONE;
    if (tail === NONE) state[HEAD] = record;
    else records[tail * STRIDE + NEXT] = record;
    state[TAIL] = record;
  }

  /** Take the record out of the order list; it stays in the table. */
  detach(record: number): void {
    const { records, state } = this;
    const prev = records[record * STRIDE + PREV]!;
    if (prev === DETACHED) return;
    const next = records[record * STRIDE + NEXT]!;
    if (prev === NONE) state[HEAD] = next;
    else records[prev * STRIDE + NEXT] = next;
    if (next === NONE) state[TAIL] = prev;
    else records[next * STRIDE + PREV] = prev;
    records[record * STRIDE + PREV] = DETACHED;
  }

  /** The record after this one in the order list, or NONE. */
  after(record: number): number {
    return this.records[record * STRIDE + NEXT]!;
  }

  /**
   * Make the table whole again after a change that was never finished: it holds the records that `keep` names, out of
   * the order list. They must have been inserted whole.
   */
  rebuild(keep: (record: number) => boolean): void {
    const { records, slots, state } = this;
    slots.fill(0);
    state.fill(NONE, HEAD, FREED + 1);
    state[SIZE] = 0;
    for (let record = 0; record < state[USED]!; record++) {
      const at = record * STRIDE;
      if (keep(record)) {
        records[at + PREV] = DETACHED;
        this.place(records[at + HASH]!, record);
        state[SIZE]!++;
      } else {
        records[at + PREV] = FREE;
        records[at + NEXT] = state[FREED]!;
        state[FREED] = record;
      }
    }
  }

  private hash(a0: number, a1: number, a2: number, a3: number, tag: number): number {
    const r = this.random;
    let hash = mix(r, 0, tag) ^ mix(r, 1024, a3);
    // The other words of an IPv4 key are always 0.
    if ((tag & SIX) !== 0) hash ^= mix(r, 2048, a2) ^ mix(r, 3072, a1) ^ mix(r, 4096, a0);
    return hash;
  }

  private place(hash: number, record: number): void {
    const { slots } = this;
    const wrap = slots.length - 1;
    let s = (hash << 1) & wrap;
    while (slots[s + 1] !== 0) s = (s + 2) & wrap;
    slots[s] = hash;
    slots[s + 1] = record + 1;
  }

  /** Only called when every record is in use. */
  private grow(): boolean {
    if (this.capacity === this.max) return false;
    this.capacity = Math.min(this.max, this.capacity * 2);
    const records = new Int32Array(this.capacity * STRIDE);
    records.set(this.records);
    this.records = records;
    this.slots = new Int32Array(slotWords(this.capacity));
    for (let record = 0; record < this.used; record++) this.place(records[record * STRIDE + HASH]!, record);
    return true;
  }
}

/** The random words for the four bytes of one key word. */
function mix(random: Int32Array, base: number, word: number): number {
  return (
    random[base + (word & 255)]! ^
    random[base + 256 + ((word >>> 8) & 255)]! ^
    random[base + 512 + ((word >>> 16) & 255)]! ^
    random[base + 768 + (word >>> 24)]!
  );
}

/** Two words a slot, a power of two of slots, at least two slots a record. */
function slotWords(capacity: number): number {
  return 2 ** Math.ceil(Math.log2(capacity * 2)) * 2;
}

import { CONTROL, SpinLock } from '../pool/lock.js';
import { AddressTable } from './address-table.js';

/** Clients of one service that several threads can count together. Memory is used for those that there are. */
const MAX_CLIENTS = 65_536;
const NAP_MS = 1;

// The buffer begins with a cache line for the lock and what the rest is made for; floats come next for their alignment.
const HEADER_BYTES = 64;
const LOCK = 0;
const CAPACITY = 1;
const THREADS = 2;

/**
 * What ClientCounts keeps of its clients, in one buffer that all threads share: whoever looks at it or changes it holds
 * the lock. Does not grow.
 */
export class SharedClients {
  readonly lock: SpinLock;
  /** The order list holds the clients without connections. */
  readonly table: AddressTable;
  readonly active: Int32Array;
  readonly tokens: Float64Array;
  readonly last: Float64Array;
  /** What each thread has added to `active`. */
  readonly shares: readonly Int32Array[];

  /** The buffer as `owner` sees it: a thread, or CONTROL. */
  constructor(buffer: SharedArrayBuffer, owner: number) {
    const header = new Int32Array(buffer, 0, HEADER_BYTES / 4);
    const capacity = header[CAPACITY]!;
    const words = AddressTable.words(capacity);
    this.lock = new SpinLock(header, LOCK, owner);
    let at = HEADER_BYTES;
    this.tokens = new Float64Array(buffer, at, capacity);
    at += capacity * 8;
    this.last = new Float64Array(buffer, at, capacity);
    at += capacity * 8;
    this.table = new AddressTable(capacity, undefined, new Int32Array(buffer, at, words));
    at += words * 4;
    this.active = new Int32Array(buffer, at, capacity);
    this.shares = Array.from({ length: header[THREADS]! }, () => {
      at += capacity * 4;
      return new Int32Array(buffer, at, capacity);
    });
  }

  /** A buffer for `threads` threads, before any of them has it. */
  static create(threads: number, capacity: number = MAX_CLIENTS): SharedArrayBuffer {
    const bytes = HEADER_BYTES + capacity * (16 + 4 + threads * 4) + AddressTable.words(capacity) * 4;
    const buffer = new SharedArrayBuffer(bytes);
    const header = new Int32Array(buffer, 0, HEADER_BYTES / 4);
    header[CAPACITY] = capacity;
    header[THREADS] = threads;
    // The table is laid out by the first who looks at it: not by two at once.
    new SharedClients(buffer, CONTROL);
    return buffer;
  }

  /**
   * A thread has died: the connections it had are gone, and nobody waits for its lock any more. If it died in the middle
   * of a change, clients without connections are forgotten and find a full bucket. Called by the control plane, which
   * must not sit and wait: whoever holds the lock may be dead too, which only its own event loop can tell it.
   */
  static async writeOff(buffer: SharedArrayBuffer, dead: number): Promise<void> {
    const clients = new SharedClients(buffer, CONTROL);
    const { lock } = clients;
    const torn = lock.seize(dead);
    while (!torn && !lock.tryAcquire()) await new Promise(resolve => setTimeout(resolve, NAP_MS));
    const left = clients.subtract(dead);
    if (torn) clients.table.rebuild(client => clients.active[client]! > 0);
    else for (const client of left) clients.table.append(client);
    lock.release();
  }

  /** Count anew without a thread. The clients that had connections in it only. */
  private subtract(dead: number): number[] {
    const { active, shares, table } = this;
    const left: number[] = [];
    for (let client = 0; client < table.used; client++) {
      shares[dead]![client] = 0;
      const before = active[client]!;
      let now = 0;
      for (const share of shares) now += share[client]!;
      active[client] = now;
      if (before > 0 && now === 0) left.push(client);
    }
    return left;
  }
}

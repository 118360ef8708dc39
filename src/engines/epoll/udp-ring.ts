import type { DatagramPeer } from '../engine.js';
import type { FdLedger } from './ledger.js';

/** Datagrams that are read before those in hand are sent on. */
export const SLOTS = 256;
/**
 * A datagram is at most 65,535 bytes; pages of a slot that no datagram reached cost nothing. The odd rest keeps the
 * beginnings of all slots from competing for the same few lines of the processor's cache.
 */
export const SLOT_BYTES = 65_536 + 1_088;
/** No such slot. */
export const NONE = -1;

/** Addresses of places of equal size in a row, as the pairs of words that structures for the kernel hold. */
export class Addresses {
  readonly low: Int32Array;
  readonly high: Int32Array;

  constructor(first: bigint, count: number, step: number) {
    this.low = new Int32Array(count);
    this.high = new Int32Array(count);
    for (let i = 0; i < count; i++) {
      const address = first + BigInt(i * step);
      this.low[i] = Number(BigInt.asIntN(32, address));
      this.high[i] = Number(address >> 32n);
    }
  }
}

/**
 * The datagrams that a thread has in hand: slots are filled in order and all freed at once, after a flush. On its way out a
 * datagram waits in the queue of one socket; `lengths`, `to` and `after` are what that queue consists of.
 */
export class DatagramRing {
  readonly bytes: Uint8Array;
  /** Address of each slot's buffer. */
  readonly slotAt: readonly bigint[];
  readonly addresses: Addresses;
  readonly lengths = new Int32Array(SLOTS);
  /** Whom the datagram is for; sockets that are connected do not look. */
  readonly to: (DatagramPeer | undefined)[] = new Array(SLOTS).fill(undefined);
  /** The slot behind this one in the queue, or NONE. */
  readonly after = new Int32Array(SLOTS);
  /** The first free slot. */
  next = 0;

  constructor(ledger: FdLedger) {
    const { address, memory } = ledger.map(SLOTS * SLOT_BYTES);
    this.bytes = new Uint8Array(memory);
    this.slotAt = Array.from({ length: SLOTS }, (_, i) => address + BigInt(i * SLOT_BYTES));
    this.addresses = new Addresses(address, SLOTS, SLOT_BYTES);
  }
}

import type { FdLedger } from './ledger.js';

/** What one recv asks for at most, and the size of the buffer that all connections of a thread share. */
export const READ_SIZE = 65_536;
/** Events taken from the kernel in one go. */
export const MAX_EVENTS = 512;
const EVENT_BYTES = 16;
const ADDRESS_BYTES = 128;

/**
 * One thread's memory for system calls: mapped once, never moved, never freed, so that whatever the kernel was given
 * outlives the call. Addresses are computed once, since a BigInt costs.
 */
export class Slab {
  readonly bytes: Uint8Array;
  readonly data: DataView;
  /** The buffer that reads go into and sends come from. */
  readonly buffer: bigint;
  readonly bufferBytes: Uint8Array;
  readonly events: bigint;
  readonly eventWords: Int32Array;
  /** One epoll_event to hand in. */
  readonly event: bigint;
  readonly eventIn: Int32Array;
  /** A sockaddr and, for calls that want it by address, its length. */
  readonly sockaddr: bigint;
  readonly sockaddrAt: number;
  readonly length: bigint;
  readonly lengthAt: number;
  /** Two integers for options, pipe ends, linger. */
  readonly pair: bigint;
  readonly pairWords: Int32Array;

  constructor(ledger: FdLedger) {
    const eventsAt = READ_SIZE;
    const eventAt = eventsAt + MAX_EVENTS * EVENT_BYTES;
    const sockaddrAt = eventAt + EVENT_BYTES;
    const lengthAt = sockaddrAt + ADDRESS_BYTES;
    const pairAt = lengthAt + 8;
    const { address, memory } = ledger.map(pairAt + 8);
    this.bytes = new Uint8Array(memory);
    this.data = new DataView(memory);
    this.buffer = address;
    this.bufferBytes = new Uint8Array(memory, 0, READ_SIZE);
    this.events = address + BigInt(eventsAt);
    this.eventWords = new Int32Array(memory, eventsAt, (MAX_EVENTS * EVENT_BYTES) / 4);
    this.event = address + BigInt(eventAt);
    this.eventIn = new Int32Array(memory, eventAt, EVENT_BYTES / 4);
    this.sockaddr = address + BigInt(sockaddrAt);
    this.sockaddrAt = sockaddrAt;
    this.length = address + BigInt(lengthAt);
    this.lengthAt = lengthAt;
    this.pair = address + BigInt(pairAt);
    this.pairWords = new Int32Array(memory, pairAt, 2);
  }

  /** Before a call that fills in an address. */
  resetLength(): void {
    this.data.setInt32(this.lengthAt, ADDRESS_BYTES, true);
  }
}

import { mapMemory } from './libc.js';

/** Datagrams that are read before those in hand are sent on. */
export const SLOTS = 256;
/** A datagram is at most 65,535 bytes; pages of a slot that no datagram reached cost nothing. */
export const SLOT_BYTES = 65_536;
const MSG_BYTES = 64;
const IOV_BYTES = 16;
const NAME_BYTES = 32;
const CONTROL_BYTES = 64;

/**
 * An array of `struct mmsghdr` with room for names and control messages, laid out once. Field offsets (the same on x64
 * and arm64): msghdr name 0, namelen 8, iov 16, iovlen 24, control 32, controllen 40, flags 48; mmsghdr adds len at 56.
 */
export class MessageArray {
  readonly data: DataView;
  /** Address of each message's header, for calls that begin in the middle. */
  readonly at: readonly bigint[];
  /** The same for each buffer's iovec. */
  private readonly iovAddresses: readonly bigint[];
  readonly namesAt: number;
  readonly controlsAt: number;
  readonly iovsAt: number;
  readonly count: number;

  /** `iovs` is how many buffers all messages have together. */
  constructor(count: number, iovs: number) {
    this.count = count;
    this.iovsAt = count * MSG_BYTES;
    this.namesAt = this.iovsAt + iovs * IOV_BYTES;
    this.controlsAt = this.namesAt + count * NAME_BYTES;
    const { address, memory } = mapMemory(this.controlsAt + count * CONTROL_BYTES);
    this.data = new DataView(memory);
    this.at = Array.from({ length: count }, (_, i) => address + BigInt(i * MSG_BYTES));
    this.iovAddresses = Array.from({ length: iovs }, (_, i) => address + BigInt(this.iovAt(i)));
    for (let i = 0; i < count; i++) {
      this.data.setBigUint64(i * MSG_BYTES, address + BigInt(this.nameAt(i)), true);
      this.data.setBigUint64(i * MSG_BYTES + 16, this.iovAddresses[i]!, true);
      this.data.setBigUint64(i * MSG_BYTES + 24, 1n, true);
      this.data.setBigUint64(i * MSG_BYTES + 32, address + BigInt(this.controlAt(i)), true);
    }
  }

  nameAt(i: number): number {
    return this.namesAt + i * NAME_BYTES;
  }

  controlAt(i: number): number {
    return this.controlsAt + i * CONTROL_BYTES;
  }

  iovAt(i: number): number {
    return this.iovsAt + i * IOV_BYTES;
  }

  setIov(i: number, address: bigint, length: number): void {
    this.data.setBigUint64(this.iovAt(i), address, true);
    this.data.setUint32(this.iovAt(i) + 8, length, true);
  }

  /** Message `i` has the buffers from iov `first` on, `count` of them. */
  setIovs(i: number, first: number, count: number): void {
    this.data.setBigUint64(i * MSG_BYTES + 16, this.iovAddresses[first]!, true);
    this.data.setUint32(i * MSG_BYTES + 24, count, true);
  }

  setNameLength(i: number, length: number): void {
    this.data.setUint32(i * MSG_BYTES + 8, length, true);
  }

  setControlLength(i: number, length: number): void {
    this.data.setUint32(i * MSG_BYTES + 40, length, true);
  }

  controlLength(i: number): number {
    return this.data.getUint32(i * MSG_BYTES + 40, true);
  }

  /** Bytes received, in an answer of recvmmsg. */
  length(i: number): number {
    return this.data.getUint32(i * MSG_BYTES + 56, true);
  }

  /** Before a receive: the kernel overwrites both lengths with what it used. */
  prepareReceive(first: number, count: number): void {
    for (let i = first; i < first + count; i++) {
      this.setNameLength(i, NAME_BYTES);
      this.setControlLength(i, CONTROL_BYTES);
    }
  }
}

/** The datagrams that a thread has in hand: slots are filled in order and all freed at once, after a flush. */
export class DatagramRing {
  readonly messages = new MessageArray(SLOTS, SLOTS);
  readonly bytes: Uint8Array;
  /** Address of each slot's buffer. */
  readonly slotAt: readonly bigint[];
  /** The first free slot. */
  next = 0;

  constructor() {
    const { address, memory } = mapMemory(SLOTS * SLOT_BYTES);
    this.bytes = new Uint8Array(memory);
    this.slotAt = Array.from({ length: SLOTS }, (_, i) => address + BigInt(i * SLOT_BYTES));
    this.slotAt.forEach((slot, i) => {
      this.messages.setIov(i, slot, SLOT_BYTES);
    });
  }
}

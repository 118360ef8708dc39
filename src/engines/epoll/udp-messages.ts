import type { FdLedger } from './ledger.js';
import { Addresses, type DatagramRing, SLOT_BYTES, SLOTS } from './udp-ring.js';

const MSG_BYTES = 64;
const IOV_BYTES = 16;
const NAME_BYTES = 32;
const CONTROL_BYTES = 64;

/** Fields in 32-bit words from the beginning of a mmsghdr. */
const NAME = 0;
const NAME_LENGTH = 2;
const IOV = 4;
const IOV_COUNT = 6;
const CONTROL = 8;
const CONTROL_LENGTH = 10;
const LENGTH = 14;

/**
 * An array of `struct mmsghdr` with a buffer for each and, if `named`, room for names and control messages, laid out once.
 * Field offsets (the same on x64 and arm64): msghdr name 0, namelen 8, iov 16, iovlen 24, control 32, controllen 40,
 * flags 48; mmsghdr adds len at 56. Both are little-endian, and no length here needs more than 32 bits.
 */
export class MessageArray {
  /** For what lies in network order: names and control messages. */
  readonly data: DataView;
  readonly words: Int32Array;
  /** Address of each message's header, for calls that begin in the middle. */
  readonly at: readonly bigint[];
  private readonly iovsAt: number;
  private readonly iovs: Addresses;
  private readonly namesAt: number;
  private readonly controlsAt: number;

  constructor(ledger: FdLedger, named: boolean) {
    this.iovsAt = SLOTS * MSG_BYTES;
    this.namesAt = this.iovsAt + SLOTS * IOV_BYTES;
    this.controlsAt = this.namesAt + SLOTS * NAME_BYTES;
    const { address, memory } = ledger.map(this.controlsAt + SLOTS * CONTROL_BYTES);
    this.data = new DataView(memory);
    this.words = new Int32Array(memory);
    this.at = Array.from({ length: SLOTS }, (_, i) => address + BigInt(i * MSG_BYTES));
    this.iovs = new Addresses(address + BigInt(this.iovsAt), SLOTS, IOV_BYTES);
    const names = new Addresses(address + BigInt(this.namesAt), SLOTS, NAME_BYTES);
    const controls = new Addresses(address + BigInt(this.controlsAt), SLOTS, CONTROL_BYTES);
    for (let i = 0; i < SLOTS; i++) {
      this.setBuffers(i, i, 1);
      if (!named) continue;
      this.setAddress(i * (MSG_BYTES / 4) + NAME, names, i);
      this.setAddress(i * (MSG_BYTES / 4) + CONTROL, controls, i);
    }
  }

  /** Messages to receive into the ring: number i goes to slot i. */
  static receiving(ledger: FdLedger, ring: DatagramRing, named: boolean): MessageArray {
    const messages = new MessageArray(ledger, named);
    for (let i = 0; i < SLOTS; i++) messages.setBuffer(i, ring.addresses, i, SLOT_BYTES);
    if (named) messages.restore(0, SLOTS);
    return messages;
  }

  nameAt(i: number): number {
    return this.namesAt + i * NAME_BYTES;
  }

  controlAt(i: number): number {
    return this.controlsAt + i * CONTROL_BYTES;
  }

  /** Buffer `i` is the place number `place`, with `length` bytes. */
  setBuffer(i: number, places: Addresses, place: number, length: number): void {
    const at = (this.iovsAt + i * IOV_BYTES) / 4;
    this.setAddress(at, places, place);
    this.words[at + 2] = length;
  }

  /** Message `i` has the buffers from `first` on, `count` of them. */
  setBuffers(i: number, first: number, count: number): void {
    const at = i * (MSG_BYTES / 4);
    this.setAddress(at + IOV, this.iovs, first);
    this.words[at + IOV_COUNT] = count;
  }

  setNameLength(i: number, length: number): void {
    this.words[i * (MSG_BYTES / 4) + NAME_LENGTH] = length;
  }

  setControlLength(i: number, length: number): void {
    this.words[i * (MSG_BYTES / 4) + CONTROL_LENGTH] = length;
  }

  controlLength(i: number): number {
    return this.words[i * (MSG_BYTES / 4) + CONTROL_LENGTH]!;
  }

  /** Bytes received, in an answer of recvmmsg. */
  length(i: number): number {
    return this.words[i * (MSG_BYTES / 4) + LENGTH]!;
  }

  setLength(i: number, length: number): void {
    this.words[i * (MSG_BYTES / 4) + LENGTH] = length;
  }

  /** After a receive: the kernel has overwritten the lengths of names and control messages with what it used. */
  restore(first: number, count: number): void {
    for (let i = first; i < first + count; i++) {
      this.setNameLength(i, NAME_BYTES);
      this.setControlLength(i, CONTROL_BYTES);
    }
  }

  private setAddress(word: number, places: Addresses, place: number): void {
    this.words[word] = places.low[place]!;
    this.words[word + 1] = places.high[place]!;
  }
}

import type { DatagramPeer } from '../engine.js';
import { E, errno, MSG_DONTWAIT, SOL_UDP, sendmmsg, UDP_SEGMENT } from './libc.js';
import { type DatagramRing, MessageArray, SLOTS } from './udp-ring.js';

/** cmsghdr: len (u64), level, type, then the data; the next one is aligned to 8. */
const CMSG_HEADER = 16;
const SEGMENT_SPACE = 24;
const SEGMENT_LENGTH = CMSG_HEADER + 2;
/** What the kernel cuts from one message at most (UDP_MAX_SEGMENTS is 64 before Linux 6.9), and how much of it. */
const MAX_SEGMENTS = 64;
const MAX_BYTES = 61_440;
/** Datagrams larger than this may exceed a link's MTU, and then the kernel refuses to cut. */
const MAX_SEGMENT = 1_200;

/** Set once the kernel has refused to segment: then each datagram is a message of its own. */
let segmentation = true;

/** Knows the destinations of a socket's messages. */
export interface MessageWriter {
  /** Write the name of `to` to `at` and return its length; 0 for a connected socket. */
  writeName(data: DataView, at: number, to: DatagramPeer): number;
  /** Write control messages (the source address) to `at` and return their length. */
  writeControl(data: DataView, at: number, to: DatagramPeer): number;
}

/**
 * Datagrams on their way out of one socket, gathered and sent by one sendmmsg. Datagrams of equal size that follow each
 * other to the same destination become one message that the kernel cuts (UDP_SEGMENT, "GSO": Linux 4.18).
 */
export class DatagramOut {
  private readonly ring: DatagramRing;
  private readonly messages: MessageArray;
  private fd = -1;
  /** Messages and buffers gathered. */
  private count = 0;
  private iovs = 0;
  private last: DatagramPeer | undefined = undefined;
  private writer: MessageWriter | undefined = undefined;
  private size = 0;
  private bytes = 0;
  private segments = 0;
  private readonly firstIov = new Uint16Array(SLOTS);
  private readonly segmentsOf = new Uint16Array(SLOTS);
  private readonly onFailure: (fd: number, error: number) => void;

  constructor(ring: DatagramRing, onFailure: (fd: number, error: number) => void) {
    this.ring = ring;
    this.messages = new MessageArray(SLOTS, SLOTS);
    this.onFailure = onFailure;
  }

  /** Add the datagram in a slot of the ring. It leaves at the next flush, which must come before the slot is reused. */
  add(fd: number, slot: number, length: number, writer: MessageWriter, to: DatagramPeer): void {
    if (fd !== this.fd || this.iovs === SLOTS) this.flush();
    this.fd = fd;
    this.writer = writer;
    const { messages } = this;
    messages.setIov(this.iovs, this.ring.slotAt[slot]!, length);
    const joins =
      segmentation &&
      to === this.last &&
      length === this.size &&
      length > 0 &&
      length <= MAX_SEGMENT &&
      this.segments < MAX_SEGMENTS &&
      this.bytes + length <= MAX_BYTES;
    if (!joins) {
      this.finishMessage();
      const i = this.count++;
      this.firstIov[i] = this.iovs;
      messages.setNameLength(i, writer.writeName(messages.data, messages.nameAt(i), to));
      this.last = to;
      this.size = length;
      this.bytes = this.segments = 0;
    }
    this.iovs++;
    this.segments++;
    this.bytes += length;
  }

  /** Send what was gathered. A message that fails is dropped, as the network would. */
  flush(): void {
    if (this.count === 0) return;
    this.finishMessage();
    const { messages, count } = this;
    for (let done = 0; done < count; ) {
      const sent = sendmmsg(this.fd, messages.at[done]!, count - done, MSG_DONTWAIT);
      if (sent > 0) {
        done += sent;
        continue;
      }
      const error = errno();
      if (this.segmentsOf[done]! > 1 && (error === E.EINVAL || error === E.EMSGSIZE || error === 5)) {
        segmentation = false;
        this.sendApart(done);
      } else if (error !== E.EAGAIN) {
        this.onFailure(this.fd, error);
      }
      done++;
    }
    this.count = this.iovs = 0;
    this.last = undefined;
  }

  /** Close the message that is being gathered: its buffers and its control messages. */
  private finishMessage(): void {
    if (this.count === 0 || this.last === undefined) return;
    const i = this.count - 1;
    const { messages } = this;
    messages.setIovs(i, this.firstIov[i]!, this.segments);
    this.segmentsOf[i] = this.segments;
    const at = messages.controlAt(i);
    let length = this.writer!.writeControl(messages.data, at, this.last);
    if (this.segments > 1) {
      messages.data.setBigUint64(at + length, BigInt(SEGMENT_LENGTH), true);
      messages.data.setInt32(at + length + 8, SOL_UDP, true);
      messages.data.setInt32(at + length + 12, UDP_SEGMENT, true);
      messages.data.setUint16(at + length + CMSG_HEADER, this.size, true);
      length += SEGMENT_SPACE;
    }
    messages.setControlLength(i, length);
    this.last = undefined;
  }

  /** The segments of a message that the kernel would not cut, one by one. */
  private sendApart(i: number): void {
    const { messages } = this;
    messages.setControlLength(i, messages.controlLength(i) - SEGMENT_SPACE);
    for (let k = 0; k < this.segmentsOf[i]!; k++) {
      messages.setIovs(i, this.firstIov[i]! + k, 1);
      sendmmsg(this.fd, messages.at[i]!, 1, MSG_DONTWAIT);
    }
  }
}

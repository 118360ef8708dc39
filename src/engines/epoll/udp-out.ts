import type { DatagramPeer } from '../engine.js';
import type { FdLedger } from './ledger.js';
import { E, errno, MSG_DONTWAIT, SOL_UDP, send, sendmmsg, sendmsg, UDP_SEGMENT } from './libc.js';
import { MessageArray } from './udp-messages.js';
import { type DatagramRing, NONE, SLOTS } from './udp-ring.js';
import type { DatagramSocket } from './udp-socket.js';

/** cmsghdr: len (u64), level, type, then the data; the next one is aligned to 8. */
const CMSG_HEADER = 16;
const SEGMENT_SPACE = 24;
const SEGMENT_LENGTH = CMSG_HEADER + 2;
/** What the kernel cuts from one message at most (UDP_MAX_SEGMENTS is 64 before Linux 6.9), and how much of it. */
const MAX_SEGMENTS = 64;
const MAX_BYTES = 61_440;

/**
 * Sends what is queued at a socket, by one call. Datagrams of equal size that follow each other to the same destination
 * become one message that the kernel cuts (UDP_SEGMENT, "GSO": Linux 4.18); the last of them may be shorter.
 */
export class DatagramOut {
  private readonly ring: DatagramRing;
  private readonly messages: MessageArray;
  /** Of each message: its first buffer, and how many it has. */
  private readonly firstBuffer = new Uint16Array(SLOTS);
  private readonly buffers = new Uint16Array(SLOTS);
  /** The kernel refuses to cut what does not fit through a link, and then larger datagrams are not joined any more. */
  private largest = MAX_BYTES;

  constructor(ledger: FdLedger, ring: DatagramRing) {
    this.messages = new MessageArray(ledger, true);
    this.ring = ring;
  }

  /** Send the socket's queue and empty it. What the kernel does not take is dropped, as the network would. */
  send(socket: DatagramSocket): void {
    const { ring, messages } = this;
    const first = socket.head;
    if (first === NONE) return;
    socket.head = NONE;
    if (socket.connected && ring.after[first] === NONE) {
      const sent = send(socket.fd, ring.slotAt[first]!, ring.lengths[first]!, MSG_DONTWAIT);
      if (sent < 0) socket.sendFailed(errno());
      return;
    }
    const count = this.gather(socket, first);
    for (let done = 0; done < count; ) {
      const at = messages.at[done]!;
      const left = count - done;
      const sent =
        left > 1 ? sendmmsg(socket.fd, at, left, MSG_DONTWAIT) : sendmsg(socket.fd, at, MSG_DONTWAIT);
      if (sent < 0) this.refused(socket, done++, errno());
      else done += left > 1 ? sent : 1;
    }
  }

  /** Make messages of the queue that begins with slot `first`; how many. */
  private gather(socket: DatagramSocket, first: number): number {
    const { ring, messages } = this;
    let count = 0;
    let buffers = 0;
    for (let slot = first; slot !== NONE; count++) {
      const begin = buffers;
      const to = ring.to[slot];
      const size = ring.lengths[slot]!;
      let bytes = 0;
      let length = size;
      do {
        messages.setBuffer(buffers++, ring.addresses, slot, length);
        bytes += length;
        slot = ring.after[slot]!;
        if (slot === NONE || length < size) break;
        length = ring.lengths[slot]!;
      } while (
        length > 0 &&
        length <= size &&
        size <= this.largest &&
        ring.to[slot] === to &&
        buffers - begin < MAX_SEGMENTS &&
        bytes + length <= MAX_BYTES
      );
      this.address(socket, count, to, buffers - begin > 1 ? size : 0);
      this.firstBuffer[count] = begin;
      this.buffers[count] = buffers - begin;
      messages.setBuffers(count, begin, buffers - begin);
    }
    return count;
  }

  /** Where message `i` goes, from where, and the size that it is to be cut to, if it is. */
  private address(socket: DatagramSocket, i: number, to: DatagramPeer | undefined, segment: number): void {
    const { messages } = this;
    const { data } = messages;
    messages.setNameLength(i, socket.writeName(data, messages.nameAt(i), to));
    const at = messages.controlAt(i);
    const length = socket.writeControl(data, at, to);
    if (segment === 0) {
      messages.setControlLength(i, length);
      return;
    }
    data.setInt32(at + length, SEGMENT_LENGTH, true);
    data.setInt32(at + length + 4, 0, true);
    data.setInt32(at + length + 8, SOL_UDP, true);
    data.setInt32(at + length + 12, UDP_SEGMENT, true);
    data.setUint16(at + length + CMSG_HEADER, segment, true);
    messages.setControlLength(i, length + SEGMENT_SPACE);
  }

  /** The kernel has not taken message `i`. One that was to be cut is sent piece by piece. */
  private refused(socket: DatagramSocket, i: number, error: number): void {
    const { messages } = this;
    const count = this.buffers[i]!;
    const uncut = count > 1 && (error === E.EINVAL || error === E.EMSGSIZE || error === E.EIO);
    if (!uncut) {
      socket.sendFailed(error);
      return;
    }
    const at = messages.controlAt(i) + messages.controlLength(i) - SEGMENT_SPACE;
    // EIO: nothing at all is cut on the way to this destination.
    this.largest = error === E.EIO ? 0 : messages.data.getUint16(at + CMSG_HEADER, true) - 1;
    messages.setControlLength(i, messages.controlLength(i) - SEGMENT_SPACE);
    for (let k = 0; k < count; k++) {
      messages.setBuffers(i, this.firstBuffer[i]! + k, 1);
      if (sendmsg(socket.fd, messages.at[i]!, MSG_DONTWAIT) < 0) socket.sendFailed(errno());
    }
  }
}

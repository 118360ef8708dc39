import type { Endpoint } from '../../address.js';
import type { DatagramPeer } from '../engine.js';
import type { Loop } from './loop.js';
import { type PackedEndpoint, packEndpoint } from './sockaddr.js';
import { MessageArray } from './udp-messages.js';
import { DatagramOut } from './udp-out.js';
import { DatagramRing, NONE, SLOT_BYTES, SLOTS } from './udp-ring.js';
import type { DatagramSocket } from './udp-socket.js';

/**
 * A thread's datagrams: read into the ring, queued at the socket that they are to leave through, sent at the end of the
 * turn, or earlier when the ring is full. So each socket sends all that it has by one call, and datagrams of one flow
 * meet even if those of others came in between.
 */
export class UdpSide {
  readonly loop: Loop;
  readonly ring: DatagramRing;
  /** To receive with names and control messages: on listeners. */
  readonly named: MessageArray;
  /** To receive from the one peer of a connected socket. */
  readonly unnamed: MessageArray;
  /** Counts turns of the loop. */
  turn = 0;
  private readonly out: DatagramOut;
  /** The first `waitingCount` have a queue, but for some whose queue was sent already. Emptying an array frees its memory each time. */
  private readonly waiting: (DatagramSocket | undefined)[] = [];
  private waitingCount = 0;
  private readonly packed = new WeakMap<Endpoint, PackedEndpoint>();

  constructor(loop: Loop) {
    this.loop = loop;
    const { ledger } = loop;
    this.ring = new DatagramRing(ledger);
    this.named = MessageArray.receiving(ledger, this.ring, true);
    this.unnamed = MessageArray.receiving(ledger, this.ring, false);
    this.out = new DatagramOut(ledger, this.ring);
    loop.atEndOfTurn(() => {
      this.flush();
      this.turn = (this.turn + 1) | 0;
    });
  }

  pack(endpoint: Endpoint): PackedEndpoint {
    let found = this.packed.get(endpoint);
    if (found === undefined) {
      found = packEndpoint(endpoint);
      this.packed.set(endpoint, found);
    }
    return found;
  }

  /** See to `count` free slots in a row from `ring.next` on: what is in hand is sent when there are not as many. */
  reserve(count: number): void {
    if (!this.hasRoom(count)) this.flush();
  }

  hasRoom(count: number): boolean {
    return this.ring.next + count <= SLOTS;
  }

  /** Queue these bytes at a socket. They lie in a slot of the ring, or are copied into a free one. */
  queue(
    socket: DatagramSocket,
    data: Uint8Array,
    offset: number,
    length: number,
    to: DatagramPeer | undefined,
  ): void {
    const { ring } = this;
    const slot = data === ring.bytes ? offset / SLOT_BYTES : this.copy(data, offset, length);
    ring.lengths[slot] = length;
    ring.to[slot] = to;
    ring.after[slot] = NONE;
    if (socket.head === NONE) {
      socket.head = slot;
      this.waiting[this.waitingCount++] = socket;
    } else {
      ring.after[socket.tail] = slot;
    }
    socket.tail = slot;
  }

  /** Send what is queued at one socket, which is about to be closed. */
  flushSocket(socket: DatagramSocket): void {
    this.out.send(socket);
  }

  private flush(): void {
    const { waiting } = this;
    for (let i = 0; i < this.waitingCount; i++) {
      const socket = waiting[i]!;
      waiting[i] = undefined;
      this.out.send(socket);
    }
    this.waitingCount = 0;
    this.ring.next = 0;
  }

  private copy(data: Uint8Array, offset: number, length: number): number {
    this.reserve(1);
    const slot = this.ring.next++;
    this.ring.bytes.set(data.subarray(offset, offset + length), slot * SLOT_BYTES);
    return slot;
  }
}

import { type Endpoint, Peer } from '../../address.js';
import type { DatagramPeer } from '../engine.js';
import type { Loop } from './loop.js';
import { type PackedEndpoint, packEndpoint } from './sockaddr.js';
import { DatagramOut } from './udp-out.js';
import { DatagramRing, SLOT_BYTES, SLOTS } from './udp-ring.js';
import type { EpollDatagramUpstream } from './udp-upstream.js';

/** The one destination of a connected socket. */
const CONNECTED: DatagramPeer = { peer: new Peer(), local: 0 };

/**
 * A thread's datagrams: read into the ring, gathered on their way out, sent at the end of the turn, or earlier when
 * the ring is full. Answers of many flows leave by one call; questions of one flow do.
 */
export class UdpSide {
  readonly loop: Loop;
  readonly ring = new DatagramRing();
  /** Towards clients: one socket, many destinations. */
  private readonly down: DatagramOut;
  /** Towards backends: a socket a flow, so each run of datagrams is a call. */
  private readonly up: DatagramOut;
  private upstream: EpollDatagramUpstream | undefined = undefined;
  private readonly packed = new WeakMap<Endpoint, PackedEndpoint>();

  constructor(loop: Loop) {
    this.loop = loop;
    // Errors of single answers (a client's port that is gone) say nothing about anybody else.
    this.down = new DatagramOut(this.ring, () => {});
    this.up = new DatagramOut(this.ring, (_fd, error) => this.upstream?.failed(error));
    loop.atEndOfTurn(() => this.flush());
  }

  pack(endpoint: Endpoint): PackedEndpoint {
    let found = this.packed.get(endpoint);
    if (found === undefined) {
      found = packEndpoint(endpoint);
      this.packed.set(endpoint, found);
    }
    return found;
  }

  /** The first of `count` free slots in a row; what is in hand is sent when there are not as many. */
  reserve(count: number): number {
    if (this.ring.next + count > SLOTS) this.flush();
    return this.ring.next;
  }

  /** The ring's slot that these bytes lie in; bytes from elsewhere are copied into a free one. */
  slotFor(data: Uint8Array, offset: number, length: number): number {
    if (data === this.ring.bytes) return offset / SLOT_BYTES;
    const slot = this.reserve(1);
    this.ring.next = slot + 1;
    this.ring.bytes.set(data.subarray(offset, offset + length), slot * SLOT_BYTES);
    return slot;
  }

  sendUp(upstream: EpollDatagramUpstream, fd: number, slot: number, length: number): void {
    if (upstream !== this.upstream) {
      this.up.flush();
      this.upstream = upstream;
    }
    this.up.add(fd, slot, length, upstream, CONNECTED);
  }

  /** Send what is gathered for this upstream, which is about to be closed. */
  flushUp(upstream: EpollDatagramUpstream): void {
    if (upstream !== this.upstream) return;
    this.up.flush();
    this.upstream = undefined;
  }

  get downward(): DatagramOut {
    return this.down;
  }

  flush(): void {
    this.up.flush();
    this.upstream = undefined;
    this.down.flush();
    this.ring.next = 0;
  }
}

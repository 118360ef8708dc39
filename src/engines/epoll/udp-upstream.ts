import type { Endpoint } from '../../address.js';
import { Lb4Error } from '../../errors.js';
import type { SocketPlan } from '../../pool/plan.js';
import { describeSystemError, isLocalTrouble } from '../../system-error.js';
import type { DatagramUpstream, UpstreamObserver } from '../engine.js';
import {
  bindSocket,
  connect,
  E,
  EPOLLIN,
  errno,
  MSG_DONTWAIT,
  recvmmsg,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  socket,
  systemError,
} from './libc.js';
import type { Pollable } from './loop.js';
import { packEndpoint } from './sockaddr.js';
import type { MessageWriter } from './udp-out.js';
import { SLOT_BYTES } from './udp-ring.js';
import type { UdpSide } from './udp-side.js';

/** Answers of one flow that are read in one go. */
const BATCH = 16;

/** A datagram socket connected to a backend: only its answers arrive, and ICMP errors are told. */
export class EpollDatagramUpstream implements DatagramUpstream, Pollable, MessageWriter {
  private readonly side: UdpSide;
  private readonly observer: UpstreamObserver;
  private readonly fd: number;
  private closed = false;
  /** An error to be told in the next turn. */
  private failure = 0;

  constructor(side: UdpSide, endpoint: Endpoint, options: SocketPlan, observer: UpstreamObserver) {
    if (endpoint.kind !== 'ip') throw new Lb4Error('LB4_ADDRESS', 'expected an IP address for a UDP backend');
    this.side = side;
    this.observer = observer;
    const { family, bytes } = side.pack(endpoint);
    this.fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (this.fd < 0) {
      this.fail(errno());
      return;
    }
    side.loop.opened(this.fd);
    if (options.source !== '') {
      const source = packEndpoint({ kind: 'ip', host: options.source, port: 0 });
      if (bindSocket(this.fd, source.bytes, source.bytes.length) < 0) this.fail(errno());
    }
    if (connect(this.fd, bytes, bytes.length) < 0) this.fail(errno());
    side.loop.add(this.fd, this, EPOLLIN);
  }

  send(data: Uint8Array, offset: number, length: number): void {
    if (this.fd < 0 || this.closed) return;
    this.side.sendUp(this, this.fd, this.side.slotFor(data, offset, length), length);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    if (this.fd < 0) return;
    // What the client sent in this turn is still to leave through this socket.
    this.side.flushUp(this);
    this.side.loop.close(this.fd);
  }

  /** A connected socket names nobody. */
  writeName(): number {
    return 0;
  }

  writeControl(): number {
    return 0;
  }

  onEvents(): void {
    const { ring } = this.side;
    const first = this.side.reserve(BATCH);
    ring.messages.prepareReceive(first, BATCH);
    const count = recvmmsg(this.fd, ring.messages.at[first]!, BATCH, MSG_DONTWAIT, null);
    if (count < 0) {
      this.failed(errno());
      return;
    }
    ring.next = first + count;
    for (let i = first; i < first + count && !this.closed; i++) {
      this.observer.onReply(ring.bytes, i * SLOT_BYTES, ring.messages.length(i));
    }
  }

  onAgain(): void {
    if (!this.closed) this.failed(this.failure);
  }

  onFault(): void {}

  failed(error: number): void {
    if (error === E.EAGAIN || error === E.EINTR) return;
    const system = systemError(error);
    const reason = error === E.ECONNREFUSED ? 'port unreachable' : describeSystemError(system);
    this.observer.onUpstreamError({ reason, local: isLocalTrouble(system), dead: this.failure !== 0 });
  }

  private fail(error: number): void {
    this.failure = error;
    this.side.loop.again(this);
  }
}

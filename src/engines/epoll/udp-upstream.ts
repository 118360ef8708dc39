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
  recv,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  socket,
  systemError,
} from './libc.js';
import { packEndpoint } from './sockaddr.js';
import { SLOT_BYTES } from './udp-ring.js';
import type { UdpSide } from './udp-side.js';
import { DatagramSocket } from './udp-socket.js';

/** Answers of one flow that are read in one go. */
const BATCH = 16;

/** A datagram socket connected to a backend: only its answers arrive, and ICMP errors are told. */
export class EpollDatagramUpstream extends DatagramSocket implements DatagramUpstream {
  readonly fd: number;
  readonly connected = true;
  private readonly observer: UpstreamObserver;
  /** Another process may have the socket as well. */
  shared = false;
  private closed = false;
  /** An error to be told in the next turn. */
  private failure = 0;

  /** `begun`: a socket that another process has connected. */
  constructor(
    side: UdpSide,
    endpoint: Endpoint,
    options: SocketPlan,
    observer: UpstreamObserver,
    begun = -1,
  ) {
    super(side);
    if (endpoint.kind !== 'ip') throw new Lb4Error('LB4_ADDRESS', 'expected an IP address for a UDP backend');
    this.observer = observer;
    if (begun !== -1) {
      this.fd = begun;
      this.shared = true;
      side.loop.opened(begun);
      side.loop.add(begun, this, EPOLLIN);
      return;
    }
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
    this.side.queue(this, data, offset, length, undefined);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    if (this.fd < 0) return;
    // What the client sent in this turn is still to leave through this socket.
    this.side.flushSocket(this);
    if (this.shared) this.side.loop.closeShared(this.fd);
    else this.side.loop.close(this.fd);
  }

  /** Whether its socket is there and has not failed. */
  get isAlive(): boolean {
    return this.fd >= 0 && this.failure === 0 && !this.closed;
  }

  /** A connected socket names nobody. */
  writeName(): number {
    return 0;
  }

  writeControl(): number {
    return 0;
  }

  onEvents(): void {
    const { side } = this;
    const { ring, unnamed } = side;
    side.reserve(BATCH);
    const first = ring.next;
    const count = this.receive(unnamed, BATCH);
    if (count < 0) this.sendFailed(errno());
    for (let i = first; i < first + count && !this.closed; i++) {
      this.observer.onReply(ring.bytes, i * SLOT_BYTES, unnamed.length(i));
    }
  }

  override onAgain(): void {
    if (!this.closed) this.sendFailed(this.failure);
  }

  protected receiveOne(slot: number): number {
    return recv(this.fd, this.side.ring.slotAt[slot]!, SLOT_BYTES, MSG_DONTWAIT);
  }

  sendFailed(error: number): void {
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

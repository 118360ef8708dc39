import { type Bind, type Endpoint, Peer } from '../../address.js';
import { Lb4Error } from '../../errors.js';
import type { DatagramListener, DatagramObserver, DatagramPeer } from '../engine.js';
import { type BindOptions, type Bound, openBound } from './bind.js';
import {
  AF_INET6,
  EPOLLIN,
  IP_PKTINFO,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_PKTINFO,
  IPV6_RECVPKTINFO,
  MSG_DONTWAIT,
  recvmsg,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SOCK_DGRAM,
  SOL_SOCKET,
} from './libc.js';
import { setOption } from './options.js';
import { readSockaddr, writeSockaddr } from './sockaddr.js';
import type { MessageArray } from './udp-messages.js';
import { SLOT_BYTES } from './udp-ring.js';
import type { UdpSide } from './udp-side.js';
import { DatagramSocket } from './udp-socket.js';

/** Datagrams that are read by one call, and the socket's own buffers: all clients of the service share them. */
const BATCH = 64;
const BUFFER_BYTES = 4 << 20;
/** in_pktinfo: interface, address to answer from, address written to. in6_pktinfo: address, interface. */
const PKTINFO_SPACE = 32;
const PKTINFO6_SPACE = 40;
const CMSG_HEADER = 16;

let nextId = 0;

/**
 * A datagram listener. On a wildcard address the kernel tells which local address a datagram was sent to, and
 * the answer leaves from there. `local` in a DatagramPeer is a number for that address.
 */
export class EpollDatagramListener extends DatagramSocket implements DatagramListener {
  readonly id = nextId++ & 0x7fff;
  readonly address: Endpoint;
  observer: DatagramObserver;
  readonly fd: number;
  readonly connected = false;
  private readonly v6: boolean;
  private readonly wildcard: boolean;
  /** Local addresses that were written to; 0 stands for the bound one. */
  private readonly locals: (Peer | undefined)[] = [undefined];
  private readonly from: DatagramPeer = { peer: new Peer(), local: 0 };
  private closed = false;

  private constructor(side: UdpSide, bound: Bound, observer: DatagramObserver, wildcard: boolean) {
    super(side);
    this.fd = bound.fd;
    this.address = bound.address;
    this.v6 = bound.family === AF_INET6;
    this.wildcard = wildcard;
    this.observer = observer;
    side.loop.add(this.fd, this, EPOLLIN);
  }

  /** Throws Lb4Error LB4_LISTEN. */
  static open(
    side: UdpSide,
    bind: Bind,
    observer: DatagramObserver,
    options: BindOptions,
  ): EpollDatagramListener {
    if (bind.kind === 'unix') throw new Lb4Error('LB4_LISTEN', `cannot listen on udp unix:${bind.path}`);
    const { slab } = side.loop;
    const bound = openBound(side.loop, bind, SOCK_DGRAM, options);
    const wildcard = bind.kind === 'any' || bind.host === '0.0.0.0' || bind.host === '::';
    if (wildcard) {
      setOption(slab, bound.fd, IPPROTO_IP, IP_PKTINFO, 1);
      if (bound.family === AF_INET6) setOption(slab, bound.fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    }
    if (!setOption(slab, bound.fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)) {
      setOption(slab, bound.fd, SOL_SOCKET, SO_RCVBUF, BUFFER_BYTES);
    }
    if (!setOption(slab, bound.fd, SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_BYTES)) {
      setOption(slab, bound.fd, SOL_SOCKET, SO_SNDBUF, BUFFER_BYTES);
    }
    return new EpollDatagramListener(side, bound, observer, wildcard);
  }

  get fds(): readonly number[] {
    return [this.fd];
  }

  send(data: Uint8Array, offset: number, length: number, to: DatagramPeer): void {
    if (!this.closed) this.side.queue(this, data, offset, length, to);
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.side.flushSocket(this);
    this.closed = true;
    this.side.loop.close(this.fd);
  }

  /** The address behind a number in a DatagramPeer; undefined for the bound one. */
  localAddress(local: number): Peer | undefined {
    return this.locals[local];
  }

  /** The number of a local address. */
  numberOf({ family, a0, a1, a2, a3 }: Peer): number {
    return this.wildcard && family !== 0 ? this.intern(a0, a1, a2, a3, family === 4) : 0;
  }

  onEvents(): void {
    const { side, from } = this;
    const { ring, named } = side;
    side.reserve(BATCH);
    let count: number;
    do {
      const first = ring.next;
      count = this.receive(named, BATCH);
      for (let i = first; i < first + count && !this.closed; i++) {
        readSockaddr(named.data, named.nameAt(i), from.peer);
        from.local = this.wildcard ? this.localOf(named, i) : 0;
        this.observer.onDatagram(this, ring.bytes, i * SLOT_BYTES, named.length(i), from);
      }
      named.restore(first, count);
      // The more of a flow is in hand, the more of it leaves by one call.
    } while (count === BATCH && !this.closed && side.hasRoom(BATCH));
  }

  /** An error of a single answer (a client's port that is gone) says nothing about anybody else. */
  sendFailed(): void {}

  protected receiveOne(slot: number): number {
    return recvmsg(this.fd, this.side.named.at[slot]!, MSG_DONTWAIT);
  }

  writeName(data: DataView, at: number, to: DatagramPeer): number {
    return writeSockaddr(data, at, to.peer, this.v6);
  }

  /** The control message that makes an answer leave from the address that was written to. */
  writeControl(data: DataView, at: number, to: DatagramPeer): number {
    const local = this.locals[to.local];
    if (local === undefined) return 0;
    if (this.v6) {
      data.setBigUint64(at, 36n, true);
      data.setInt32(at + 8, IPPROTO_IPV6, true);
      data.setInt32(at + 12, IPV6_PKTINFO, true);
      data.setUint32(at + CMSG_HEADER, local.a0);
      data.setUint32(at + CMSG_HEADER + 4, local.a1);
      data.setUint32(at + CMSG_HEADER + 8, local.family === 4 ? 0xffff : local.a2);
      data.setUint32(at + CMSG_HEADER + 12, local.a3);
      data.setUint32(at + CMSG_HEADER + 16, 0);
      return PKTINFO6_SPACE;
    }
    data.setBigUint64(at, 28n, true);
    data.setInt32(at + 8, IPPROTO_IP, true);
    data.setInt32(at + 12, IP_PKTINFO, true);
    data.setUint32(at + CMSG_HEADER, 0);
    data.setUint32(at + CMSG_HEADER + 4, local.a3);
    data.setUint32(at + CMSG_HEADER + 8, 0);
    return PKTINFO_SPACE;
  }

  /** The number of the local address that message `i` was sent to. */
  private localOf(messages: MessageArray, i: number): number {
    const { data } = messages;
    const at = messages.controlAt(i);
    const end = at + messages.controlLength(i);
    for (let c = at; c + CMSG_HEADER <= end; ) {
      const length = data.getUint32(c, true);
      const level = data.getInt32(c + 8, true);
      const type = data.getInt32(c + 12, true);
      const body = c + CMSG_HEADER;
      if (level === IPPROTO_IP && type === IP_PKTINFO) {
        return this.intern(0, 0, 0, data.getUint32(body + 8), true);
      }
      if (level === IPPROTO_IPV6 && type === IPV6_PKTINFO) {
        const a2 = data.getUint32(body + 8);
        const a3 = data.getUint32(body + 12);
        const mapped = data.getUint32(body) === 0 && data.getUint32(body + 4) === 0 && a2 === 0xffff;
        if (mapped) return this.intern(0, 0, 0, a3, true);
        return this.intern(data.getUint32(body), data.getUint32(body + 4), a2, a3, false);
      }
      if (length < CMSG_HEADER) break;
      c += (length + 7) & ~7;
    }
    return 0;
  }

  private intern(a0: number, a1: number, a2: number, a3: number, v4: boolean): number {
    const { locals } = this;
    for (let i = 1; i < locals.length; i++) {
      const known = locals[i]!;
      if (known.a3 === a3 && known.a2 === a2 && known.a1 === a1 && known.a0 === a0) return i;
    }
    // A machine has few addresses; multicast and broadcast destinations are no address to answer from.
    if (locals.length >= 1024) return 0;
    if (v4 && (a3 >>> 28 === 14 || a3 === 0xffffffff)) return 0;
    if (!v4 && a0 >>> 24 === 0xff) return 0;
    const peer = new Peer();
    locals.push(v4 ? peer.setV4(a3, 0) : peer.setV6(a0, a1, a2, a3, 0));
    return locals.length - 1;
  }
}

import type { Endpoint } from '../../address.js';
import type { PackReader, PackWriter } from '../../pack.js';
import type { SocketPlan } from '../../pool/plan.js';
import type {
  DatagramListener,
  DatagramUpstream,
  Dial,
  DialObserver,
  Relay,
  RelayEnd,
  StreamConn,
  Transfer,
  UpstreamObserver,
} from '../engine.js';
import { EpollConn, STREAM_EVENTS } from './conn.js';
import { EpollDial } from './dial.js';
import type { Loop } from './loop.js';
import { EpollRelay } from './relay.js';
import type { EpollDatagramListener } from './udp-listener.js';
import type { UdpSide } from './udp-side.js';
import { EpollDatagramUpstream } from './udp-upstream.js';

type Shared = EpollConn | EpollDial | EpollDatagramUpstream;

const ENDS: readonly (RelayEnd | undefined)[] = [
  undefined,
  'client_closed',
  'backend_closed',
  'client_reset',
  'backend_reset',
];

/** A connection's flags as bits of one number. */
const READABLE = 1;
const HANGUP = 1 << 1;
const FINISHED = 1 << 2;
const FIN_WANTED = 1 << 3;
const FIN_SENT = 1 << 4;
const DEAF = 1 << 5;
const LEAVING = 1 << 6;
const CLOSED = 1 << 7;
const QUEUED = 1 << 8;
const READING = 1 << 9;
const PIPE = 1 << 10;

function flagsOf(conn: EpollConn): number {
  return (
    (conn.readable ? READABLE : 0) |
    (conn.hangup ? HANGUP : 0) |
    (conn.finished ? FINISHED : 0) |
    (conn.finWanted ? FIN_WANTED : 0) |
    (conn.finSent ? FIN_SENT : 0) |
    (conn.deaf ? DEAF : 0) |
    (conn.leaving ? LEAVING : 0) |
    (conn.closed ? CLOSED : 0) |
    (conn.queued ? QUEUED : 0) |
    (conn.reading ? READING : 0) |
    (conn.pipeBytes > 0 ? PIPE : 0)
  );
}

/**
 * Sockets of the epoll engine on their way to another process: the descriptor, what is known about it, and what waits to be
 * sent, be it in memory or in a pipe, which goes along. Descriptors that were loaded are in the epoll at once, so that the
 * first look into it, however late, tells what there is to do.
 */
export class EpollTransfer implements Transfer {
  private readonly loop: Loop;
  private readonly udp: () => UdpSide;
  private readonly saved = new Set<Shared>();

  constructor(loop: Loop, udp: () => UdpSide) {
    this.loop = loop;
    this.udp = udp;
  }

  hold(): void {
    this.loop.hold(true);
  }

  release(): void {
    for (const one of this.saved) one.shared = false;
    this.saved.clear();
    this.loop.hold(false);
  }

  saveConn(conn: StreamConn, into: PackWriter): void {
    const one = conn as EpollConn;
    into.fd(one.closed ? -1 : one.fd);
    into.peer(one.peer);
    into.number((one.unix ? 1 : 0) | (one.needsKeepalive ? 2 : 0));
    this.share(one);
  }

  loadConn(from: PackReader, { keepalive }: SocketPlan): EpollConn {
    const { loop } = this;
    const fd = from.fd();
    const peer = from.peer();
    const traits = from.number();
    const conn = new EpollConn(loop, fd, peer, (traits & 1) !== 0, (traits & 2) !== 0 ? keepalive : 0);
    conn.shared = true;
    if (fd < 0) {
      conn.closed = true;
      return conn;
    }
    loop.opened(fd);
    loop.add(fd, conn, STREAM_EVENTS);
    return conn;
  }

  saveConnState(conn: StreamConn, into: PackWriter): void {
    const one = conn as EpollConn;
    const flags = flagsOf(one);
    into.number(flags);
    into.data(one.pending);
    if ((flags & LEAVING) !== 0) into.number(one.leavingSince);
    if ((flags & PIPE) !== 0) {
      into.number(one.pipeBytes);
      into.fd(one.pipe!.readFd);
      into.fd(one.pipe!.writeFd);
    }
    if (one.relay === undefined) into.data(one.head);
  }

  loadConnState(conn: StreamConn, from: PackReader): void {
    const one = conn as EpollConn;
    const flags = from.number();
    one.readable = (flags & READABLE) !== 0;
    one.hangup = (flags & HANGUP) !== 0;
    one.finished = (flags & FINISHED) !== 0;
    one.finWanted = (flags & FIN_WANTED) !== 0;
    one.finSent = (flags & FIN_SENT) !== 0;
    one.deaf = (flags & DEAF) !== 0;
    one.leaving = (flags & LEAVING) !== 0;
    one.queued = (flags & QUEUED) !== 0;
    one.reading = (flags & READING) !== 0;
    one.pending = from.data();
    if (one.leaving) one.leavingSince = from.number();
    if ((flags & PIPE) !== 0) {
      one.pipeBytes = from.number();
      one.pipe = { readFd: from.fd(), writeFd: from.fd() };
      this.loop.opened(one.pipe.readFd);
      this.loop.opened(one.pipe.writeFd);
    }
    if (one.relay === undefined) one.head = from.data();
    if ((flags & CLOSED) !== 0) this.dropConn(one);
    else if ((flags & (LEAVING | QUEUED)) !== 0) one.resume();
  }

  saveDial(dial: Dial | undefined, into: PackWriter): void {
    const one = dial as EpollDial | undefined;
    into.fd(one?.portable ?? -1);
    if (one !== undefined) this.share(one);
  }

  loadDial(
    from: PackReader,
    endpoint: Endpoint,
    socket: SocketPlan,
    observer: DialObserver,
  ): Dial | undefined {
    const fd = from.fd();
    return fd < 0 ? undefined : new EpollDial(this.loop, endpoint, socket, observer, fd);
  }

  isWhole(relay: Relay): boolean {
    const { client, upstream } = relay as EpollRelay;
    return !client.closed && !client.leaving && !upstream.closed && !upstream.leaving;
  }

  saveRelay(relay: Relay, into: PackWriter): void {
    const { client, upstream } = relay as EpollRelay;
    this.saveConn(client, into);
    this.saveConn(upstream, into);
  }

  saveRelayState(relay: Relay, into: PackWriter): void {
    const one = relay as EpollRelay;
    into.number(one.bytesIn);
    into.number(one.bytesOut);
    into.number(one.activeAt);
    into.number(one.askedAt);
    into.number(ENDS.indexOf(one.end));
    into.number(ENDS.indexOf(one.cut));
    this.saveConnState(one.client, into);
    this.saveConnState(one.upstream, into);
  }

  loadRelayState(relay: Relay, from: PackReader): void {
    const one = relay as EpollRelay;
    one.bytesIn = from.number();
    one.bytesOut = from.number();
    one.activeAt = from.number();
    one.askedAt = from.number();
    one.end = ENDS[from.number()];
    one.cut = ENDS[from.number()];
    this.loadConnState(one.client, from);
    this.loadConnState(one.upstream, from);
  }

  saveUpstream(upstream: DatagramUpstream, into: PackWriter): void {
    const one = upstream as EpollDatagramUpstream;
    into.fd(one.isAlive ? one.fd : -1);
    this.share(one);
  }

  loadUpstream(
    from: PackReader,
    endpoint: Endpoint,
    socket: SocketPlan,
    observer: UpstreamObserver,
  ): DatagramUpstream | undefined {
    const fd = from.fd();
    return fd < 0 ? undefined : new EpollDatagramUpstream(this.udp(), endpoint, socket, observer, fd);
  }

  saveLocal(listener: DatagramListener, local: number, into: PackWriter): void {
    const address = (listener as EpollDatagramListener).localAddress(local);
    into.number(address === undefined ? 0 : 1);
    if (address !== undefined) into.peer(address);
  }

  loadLocal(listener: DatagramListener, from: PackReader): number {
    return from.number() === 0 ? 0 : (listener as EpollDatagramListener).numberOf(from.peer());
  }

  drop(one: StreamConn | Relay | Dial | DatagramUpstream): void {
    if (one instanceof EpollRelay) {
      this.dropConn(one.client);
      this.dropConn(one.upstream);
    } else if (one instanceof EpollConn) {
      this.dropConn(one);
    } else if (one instanceof EpollDatagramUpstream) {
      one.close();
    }
  }

  private dropConn(conn: EpollConn): void {
    if (conn.closed) return;
    conn.closed = true;
    this.loop.timers.cancel(conn);
    this.loop.closeShared(conn.fd);
  }

  private share(one: Shared): void {
    one.shared = true;
    this.saved.add(one);
  }
}

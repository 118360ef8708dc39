import { type Endpoint, Peer } from '../../address.js';
import type { SocketPlan } from '../../pool/plan.js';
import { mayMeetItself } from '../../self-connect.js';
import { describeSystemError, isLocalTrouble } from '../../system-error.js';
import { TimerEntry } from '../../timer-wheel.js';
import type { Dial, DialObserver } from '../engine.js';
import { EpollConn, STREAM_EVENTS } from './conn.js';
import {
  AF_UNIX,
  bindSocket,
  connect,
  E,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  errno,
  getsockopt,
  IP_BIND_ADDRESS_NO_PORT,
  IPPROTO_IP,
  SHUT_RDWR,
  SO_ERROR,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  shutdown,
  socket,
  systemError,
} from './libc.js';
import type { Loop, Pollable } from './loop.js';
import { delayAcknowledgement, setOption, setStreamOptions } from './options.js';
import { type PackedEndpoint, packEndpoint } from './sockaddr.js';

/** A unix listener whose queue is full says EAGAIN; it is asked again after this. */
const UNIX_RETRY_MS = 10;
/** Endpoints are packed once; the objects live as long as the plan that they came with. */
const packed = new WeakMap<Endpoint, Prepared>();

interface Prepared extends PackedEndpoint {
  readonly peer: Peer;
  readonly mayMeetItself: boolean;
}

function prepare(endpoint: Endpoint): Prepared {
  let found = packed.get(endpoint);
  if (found === undefined) {
    const peer = new Peer();
    if (endpoint.kind === 'ip') peer.setText(endpoint.host, endpoint.port);
    // Field by field: V8 gives each object that is spread a hidden class of its own, and then every access is looked up.
    const { family, bytes } = packEndpoint(endpoint);
    found = { family, bytes, mayMeetItself: mayMeetItself(endpoint), peer };
    packed.set(endpoint, found);
  }
  return found;
}

/** One attempt to connect, without blocking. */
export class EpollDial extends TimerEntry implements Dial, Pollable {
  private readonly loop: Loop;
  private readonly target: Prepared;
  private readonly keepalive: number;
  private readonly observer: DialObserver;
  private fd: number;
  /** An error to be told in the next turn: never from within `dial`. */
  private failure = 0;
  private over = false;
  /** It waits for the kernel, and only for that. */
  private connecting = false;
  /** Another process may have the socket as well. */
  shared = false;

  /** `begun`: a socket that another process has begun to connect. */
  constructor(loop: Loop, endpoint: Endpoint, options: SocketPlan, observer: DialObserver, begun = -1) {
    super();
    this.loop = loop;
    this.target = prepare(endpoint);
    this.keepalive = options.keepalive;
    this.observer = observer;
    const { family } = this.target;
    if (begun !== -1) {
      this.fd = begun;
      this.shared = true;
      loop.opened(begun);
      this.wait();
      return;
    }
    this.fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (this.fd < 0) {
      this.fail(errno());
      return;
    }
    loop.opened(this.fd);
    if (family !== AF_UNIX) {
      setStreamOptions(loop.slab, this.fd, options);
      delayAcknowledgement(loop.slab, this.fd);
      if (options.source !== '' && !this.bindSource(options.source)) return;
    }
    this.connect();
  }

  cancel(): void {
    if (this.over) return;
    this.over = true;
    this.loop.timers.cancel(this);
    this.closeFd();
  }

  /** The socket, if another process can wait for it in place of this one; -1 where the dial has to begin anew. */
  get portable(): number {
    return this.connecting && !this.over ? this.fd : -1;
  }

  onTimer(): void {
    this.connect();
  }

  /** A failure that was known at once. */
  onAgain(): void {
    if (this.over) return;
    this.over = true;
    this.closeFd();
    const error = systemError(this.failure);
    this.observer.onDialFailed({ reason: describeSystemError(error), local: isLocalTrouble(error) });
  }

  onEvents(events: number): void {
    if (this.over) return;
    const { slab } = this.loop;
    let reset = false;
    if ((events & (EPOLLERR | EPOLLHUP)) !== 0) {
      slab.data.setInt32(slab.lengthAt, 4, true);
      getsockopt(this.fd, SOL_SOCKET, SO_ERROR, slab.pair, slab.length);
      const error = slab.pairWords[0]!;
      // A backend that accepted and has reset already refused nothing: what it sent before is to be passed on.
      reset = error === E.ECONNRESET || error === E.EPIPE;
      if (error !== 0 && !reset) {
        this.failure = error;
        this.onAgain();
        return;
      }
    }
    if ((events & EPOLLOUT) === 0) return;
    this.over = true;
    const { target, fd, loop } = this;
    const conn = new EpollConn(loop, fd, target.peer, target.family === AF_UNIX, this.keepalive);
    conn.shared = this.shared;
    if (this.metItself(conn)) {
      loop.close(fd);
      this.observer.onDialFailed({ reason: 'connection refused', local: false });
      return;
    }
    loop.handOver(fd, conn);
    conn.readable = (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) !== 0;
    // The error was taken from the socket by asking: from here on it looks like an end.
    conn.deaf = reset;
    conn.hangup = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) !== 0;
    this.observer.onDialled(conn);
  }

  onFault(): void {
    this.cancel();
  }

  private connect(): void {
    const { slab } = this.loop;
    const { bytes, family } = this.target;
    slab.bytes.set(bytes, slab.sockaddrAt);
    if (connect(this.fd, slab.sockaddr, bytes.length) < 0) {
      const error = errno();
      if (error === E.EAGAIN && family === AF_UNIX) {
        this.loop.timers.schedule(this, UNIX_RETRY_MS, this.loop.time);
        return;
      }
      if (error !== E.EINPROGRESS) {
        this.fail(error);
        return;
      }
    }
    this.wait();
  }

  private wait(): void {
    this.connecting = true;
    try {
      this.loop.add(this.fd, this, STREAM_EVENTS);
    } catch (error) {
      this.fail((error as NodeJS.ErrnoException).errno ?? 0);
    }
  }

  private bindSource(source: string): boolean {
    const { bytes } = packEndpoint({ kind: 'ip', host: source, port: 0 });
    // The port is chosen at connect, by the whole four-tuple: more than 28,000 connections fit.
    setOption(this.loop.slab, this.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    if (bindSocket(this.fd, bytes, bytes.length) === 0) return true;
    this.fail(errno());
    return false;
  }

  /** That is nobody listening. */
  private metItself(conn: EpollConn): boolean {
    if (!this.target.mayMeetItself) return false;
    const local = conn.local();
    const { peer } = conn;
    return local.port === peer.port && local.a3 === peer.a3 && local.a0 === peer.a0;
  }

  private fail(error: number): void {
    this.failure = error;
    this.loop.again(this);
  }

  private closeFd(): void {
    if (this.fd < 0) return;
    if (this.shared) {
      shutdown(this.fd, SHUT_RDWR);
      this.loop.closeShared(this.fd);
    } else {
      this.loop.close(this.fd);
    }
    this.fd = -1;
  }
}

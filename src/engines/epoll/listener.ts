import { unlinkSync } from 'node:fs';
import { type Bind, type Endpoint, formatAddress, Peer } from '../../address.js';
import { Lb4Error } from '../../errors.js';
import type { SocketPlan } from '../../pool/plan.js';
import { describeSystemError } from '../../system-error.js';
import { TimerEntry } from '../../timer-wheel.js';
import type { Listener, ListenObserver } from '../engine.js';
import { type BindOptions, type Bound, openBound } from './bind.js';
import { EpollConn, STREAM_EVENTS } from './conn.js';
import {
  accept4,
  E,
  EPOLLEXCLUSIVE,
  EPOLLIN,
  errno,
  listen,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  systemError,
} from './libc.js';
import type { Loop, Pollable } from './loop.js';
import { setListenerOptions, setStreamOptions } from './options.js';
import { readSockaddr } from './sockaddr.js';

/** Connections taken in one go; the rest waits for the next turn, in the kernel's queue. */
const ACCEPT_BUDGET = 64;
/** How long accepting rests when descriptors have run out. */
const REST_MS = 100;

/** A stream listener; whoever is not accepted waits in the kernel's queue. */
export class EpollListener extends TimerEntry implements Listener, Pollable {
  readonly address: Endpoint;
  observer: ListenObserver;
  private readonly loop: Loop;
  private readonly fd: number;
  readonly owned: boolean;
  private readonly unix: boolean;
  private readonly keepalive: number;
  private paused = false;
  private polling = false;
  private closed = false;

  private constructor(
    loop: Loop,
    bound: Bound,
    socket: SocketPlan,
    observer: ListenObserver,
    owned: boolean,
  ) {
    super();
    this.loop = loop;
    this.fd = bound.fd;
    this.address = bound.address;
    this.unix = bound.address.kind === 'unix';
    this.keepalive = socket.keepalive;
    this.observer = observer;
    this.owned = owned;
    this.poll(true);
  }

  /** Throws Lb4Error LB4_LISTEN. */
  static open(
    loop: Loop,
    bind: Bind,
    socket: SocketPlan,
    observer: ListenObserver,
    options: BindOptions,
  ): EpollListener {
    const bound = openBound(loop, bind, SOCK_STREAM, options);
    if (bound.address.kind === 'ip') {
      setStreamOptions(loop.slab, bound.fd, socket);
      setListenerOptions(loop.slab, bound.fd, socket);
    }
    if (listen(bound.fd, socket.backlog) < 0) {
      const reason = describeSystemError(systemError(errno()));
      loop.close(bound.fd);
      throw new Lb4Error('LB4_LISTEN', `cannot listen on ${formatAddress(bind)}: ${reason}`);
    }
    return new EpollListener(loop, bound, socket, observer, options.owned);
  }

  get fds(): readonly number[] {
    return [this.fd];
  }

  pause(): void {
    this.paused = true;
    this.poll(false);
  }

  resume(): void {
    this.paused = false;
    this.poll(true);
    this.onEvents();
  }

  async close(handedOver = false): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.loop.timers.cancel(this);
    this.poll(false);
    this.loop.close(this.fd);
    if (this.address.kind === 'unix' && this.owned && !handedOver) {
      try {
        unlinkSync(this.address.path);
      } catch {
        // Somebody else has removed it.
      }
    }
  }

  /** The rest is over: descriptors may be free again. */
  onTimer(): void {
    if (!this.paused) this.poll(true);
  }

  onAgain(): void {}

  onFault(error: unknown): void {
    this.observer.onAcceptTrouble(String(error));
  }

  onEvents(): void {
    const { loop } = this;
    const { slab } = loop;
    for (let i = 0; i < ACCEPT_BUDGET && !this.paused && !this.closed; i++) {
      if (!this.observer.enter()) return;
      slab.resetLength();
      const fd = accept4(this.fd, slab.sockaddr, slab.length, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) {
        const error = errno();
        this.observer.leave();
        if (error === E.EAGAIN) return;
        if (error !== E.ECONNABORTED && error !== E.EINTR) {
          this.rest(describeSystemError(systemError(error)));
          return;
        }
        continue;
      }
      loop.opened(fd);
      const peer = readSockaddr(slab.data, slab.sockaddrAt, new Peer());
      const conn = new EpollConn(loop, fd, peer, this.unix, this.keepalive);
      try {
        loop.add(fd, conn, STREAM_EVENTS);
      } catch (error) {
        // The system watches no more descriptors for this user.
        conn.release();
        this.observer.leave();
        this.rest(describeSystemError(error));
        return;
      }
      this.observer.onAccept(conn);
    }
  }

  private rest(reason: string): void {
    this.poll(false);
    this.loop.timers.schedule(this, REST_MS, this.loop.time);
    this.observer.onAcceptTrouble(reason);
  }

  private poll(on: boolean): void {
    if (on === this.polling) return;
    this.polling = on;
    // Of the threads that share the socket one is enough.
    if (on) this.loop.add(this.fd, this, EPOLLIN | EPOLLEXCLUSIVE);
    else this.loop.remove(this.fd);
  }
}

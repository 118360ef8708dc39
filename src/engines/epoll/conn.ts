import { Peer } from '../../address.js';
import { TimerEntry, UNSCHEDULED } from '../../timer-wheel.js';
import { type ConnObserver, KEEPALIVE_AFTER_MS, type StreamConn } from '../engine.js';
import {
  connect,
  E,
  EPOLLERR,
  EPOLLET,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  errno,
  getsockname,
  ioctl,
  MSG_NOSIGNAL,
  recv,
  SHUT_RDWR,
  SIOCOUTQ,
  SO_LINGER,
  SOL_SOCKET,
  send,
  setsockopt,
  shutdown,
} from './libc.js';
import type { Loop, Pollable } from './loop.js';
import { isGone, setKeepalive } from './options.js';
import type { Pipe } from './pipes.js';
import type { EpollRelay } from './relay.js';
import { READ_SIZE } from './slab.js';
import { readSockaddr } from './sockaddr.js';

/** Bytes a client may send ahead of the relay. */
const MAX_HEAD = 65_536;
/** sockaddr of AF_UNSPEC. */
const UNSPECIFIED = new Uint8Array(16);
const EMPTY = new Uint8Array(0);
/** How often the send queue of a socket that waits for its RST is looked at, and for how long. */
const LEAVE_POLL_MS = 10;
const LEAVE_PATIENCE_MS = 30_000;

/** A stream socket of the epoll engine, before and while it is relayed. An idle one holds no buffer. */
export class EpollConn extends TimerEntry implements StreamConn, Pollable {
  readonly peer: Peer;
  fd: number;
  head: Uint8Array = EMPTY;
  relay: EpollRelay | undefined = undefined;
  other: EpollConn | undefined = undefined;

  /** There may be something to read; false after a read that found less than it asked for. */
  readable = false;
  /** The other end has sent FIN (it may be behind unread bytes), or worse. */
  hangup = false;
  /** FIN was read. */
  finished = false;
  /** FIN is to be sent once everything before it was. */
  finWanted = false;
  finSent = false;
  /** A send failed: nothing more can be sent, but what came may still be read. */
  deaf = false;
  /** RST is to be sent once everything before it was delivered. */
  leaving = false;
  closed = false;
  /** Another process may have it as well: closing alone says nothing to the other end. */
  shared = false;
  /** It waits for its turn in the loop. */
  queued = false;
  /** It is read at the loop's pace, and not when something has come. */
  paced = false;
  /** Reads in a row that filled the buffer. */
  fullReads = 0;
  /** Bytes that have left it through a pipe since it was last found empty. */
  spliced = 0;
  /** Bytes for this socket that the kernel did not take yet. */
  pending: Uint8Array = EMPTY;
  /** The same in a pipe, behind `pending`. */
  pipe: Pipe | undefined = undefined;
  pipeBytes = 0;

  readonly unix: boolean;
  /** What comes before the relay goes into `head`. */
  reading = false;
  leavingSince = 0;
  private readonly loop: Loop;
  private readonly keepalive: number;
  private observer: ConnObserver | undefined = undefined;

  /** `keepalive`: silence in ms before the first probe, 0 = none. */
  constructor(loop: Loop, fd: number, peer: Peer, unix: boolean, keepalive: number) {
    super();
    this.loop = loop;
    this.fd = fd;
    this.peer = peer;
    this.unix = unix;
    this.keepalive = keepalive;
    if (keepalive > 0 && !unix) loop.timers.schedule(this, KEEPALIVE_AFTER_MS, loop.time);
  }

  local(): Peer {
    const { slab } = this.loop;
    slab.resetLength();
    const peer = new Peer();
    if (getsockname(this.fd, slab.sockaddr, slab.length) === 0)
      readSockaddr(slab.data, slab.sockaddrAt, peer);
    return peer;
  }

  observe(observer: ConnObserver | undefined): void {
    this.observer = observer;
  }

  readHead(): void {
    this.reading = true;
    if (this.readable) this.fillHead();
  }

  consume(bytes: number): void {
    this.head = this.head.subarray(bytes);
  }

  takeHead(): Uint8Array {
    const { head } = this;
    this.head = EMPTY;
    return head;
  }

  write(bytes: Uint8Array): void {
    this.keep(bytes);
    this.flushPending();
  }

  /** Remember a copy of bytes that the kernel did not take. */
  keep(bytes: Uint8Array): void {
    this.pending = this.pending.length === 0 ? bytes.slice() : Buffer.concat([this.pending, bytes]);
  }

  /** Send what is pending. True when nothing is left; false when the kernel is full, or the socket became deaf. */
  flushPending(): boolean {
    if (this.pending.length === 0) return true;
    const sent = send(this.fd, this.pending, this.pending.length, MSG_NOSIGNAL);
    if (sent === this.pending.length) {
      this.pending = EMPTY;
      return true;
    }
    if (sent >= 0) this.pending = this.pending.subarray(sent);
    else if (errno() !== E.EAGAIN) this.deaf = true;
    return false;
  }

  close(): void {
    this.observer = undefined;
    // Closing with unread bytes would send RST instead of FIN.
    const { slab } = this.loop;
    for (let i = 0; i < 4 && this.readable && !this.closed; i++) {
      this.readable = recv(this.fd, slab.buffer, READ_SIZE, 0) === READ_SIZE;
    }
    this.release();
  }

  reset(): void {
    this.observer = undefined;
    if (this.closed) return;
    if (this.shared) {
      // RST now, whoever else has the socket.
      if (!this.unix) connect(this.fd, UNSPECIFIED, UNSPECIFIED.length);
    } else if (!this.unix) {
      const { slab } = this.loop;
      slab.pairWords[0] = 1;
      slab.pairWords[1] = 0;
      setsockopt(this.fd, SOL_SOCKET, SO_LINGER, slab.pair, 8);
    }
    this.release();
  }

  /** RST, but not before what was sent is delivered. The relay has stopped sending to it. */
  resetWhenDelivered(): void {
    this.leaving = true;
    if (this.leavingSince === 0) this.leavingSince = this.loop.time;
    if (this.isDelivered() || this.loop.time - this.leavingSince > LEAVE_PATIENCE_MS) {
      this.reset();
      this.relay?.onReleased();
    } else {
      this.loop.timers.schedule(this, LEAVE_POLL_MS, this.loop.time);
    }
  }

  /** It was left waiting by another process. */
  resume(): void {
    if (this.leaving) this.loop.timers.schedule(this, LEAVE_POLL_MS, this.loop.time);
    if (this.queued) this.loop.again(this);
  }

  /** Keepalive probes are still to be asked for. */
  get needsKeepalive(): boolean {
    return this.timerSlot !== UNSCHEDULED && !this.leaving;
  }

  onTimer(): void {
    if (this.leaving) this.resetWhenDelivered();
    else setKeepalive(this.loop.slab, this.fd, this.keepalive);
  }

  onEvents(events: number): void {
    const broken = (events & (EPOLLERR | EPOLLHUP)) !== 0;
    if (broken || (events & EPOLLRDHUP) !== 0) this.hangup = this.readable = true;
    if ((events & EPOLLIN) !== 0) this.readable = true;
    // After FIN was read the kernel says 0 again and again: a reset that comes later shows in the event only.
    if ((events & EPOLLERR) !== 0 && this.finished && !this.finSent) this.breakNow();
    else if (this.relay !== undefined) this.relay.onEvents(this, broken || (events & EPOLLOUT) !== 0);
    else if (this.hangup || this.reading) this.fillHead();
  }

  onAgain(): void {
    this.queued = false;
    if (this.closed) return;
    if (this.paced) this.readable = true;
    this.relay?.onEvents(this, false);
  }

  onFault(): void {
    if (this.relay !== undefined) this.relay.abort(true);
    else this.observer?.onBroken();
    this.release();
  }

  /** Read it at the loop's pace from now on. It is empty at the moment. */
  pace(): void {
    if (!this.paced) {
      this.paced = true;
      this.loop.change(this.fd, PACED_EVENTS);
    }
    if (this.queued) return;
    this.queued = true;
    this.loop.paced.add(this);
  }

  /** Read it when something has come, as usual. */
  unpace(): void {
    this.paced = false;
    if (this.closed) return;
    this.loop.change(this.fd, STREAM_EVENTS);
  }

  /** Close the descriptor. */
  release(): void {
    if (this.closed) return;
    this.closed = true;
    this.loop.timers.cancel(this);
    if (this.shared) {
      shutdown(this.fd, SHUT_RDWR);
      this.loop.closeShared(this.fd);
    } else {
      this.loop.close(this.fd);
    }
    this.pending = EMPTY;
    this.head = EMPTY;
  }

  private breakNow(): void {
    if (this.relay !== undefined) this.relay.onBroken(this);
    else this.observer?.onBroken();
  }

  private isDelivered(): boolean {
    if (this.deaf || this.unix) return true;
    if (this.pipeBytes > 0 || !this.flushPending()) return this.deaf;
    const { slab } = this.loop;
    return ioctl(this.fd, SIOCOUTQ, slab.pair) !== 0 || slab.pairWords[0] === 0 || isGone(slab, this.fd);
  }

  /** Before the relay: read what came, as far as the head may grow, and tell the observer of bytes, FIN or reset. */
  private fillHead(): void {
    const { slab } = this.loop;
    let grown = false;
    while (this.head.length < MAX_HEAD && !this.closed) {
      const count = recv(this.fd, slab.buffer, READ_SIZE, 0);
      if (count > 0) {
        const bytes = slab.bufferBytes.subarray(0, count);
        this.head = this.head.length === 0 ? bytes.slice() : Buffer.concat([this.head, bytes]);
        grown = true;
        continue;
      }
      if (count === 0) {
        this.readable = false;
        this.finished = true;
        break;
      }
      if (errno() === E.EAGAIN) {
        this.readable = false;
        break;
      }
      this.observer?.onBroken();
      return;
    }
    if (grown) this.observer?.onHead();
    if (this.finished) this.observer?.onFin();
  }
}

/** What every stream socket waits for. */
export const STREAM_EVENTS = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
/** What one waits for that is read at the loop's pace; that the connection broke is always told. */
const PACED_EVENTS = EPOLLOUT | EPOLLET;

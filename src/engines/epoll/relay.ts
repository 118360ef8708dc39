import type { Relay, RelayEnd, RelayObserver } from '../engine.js';
import type { EpollConn } from './conn.js';
import {
  E,
  errno,
  MSG_NOSIGNAL,
  recv,
  SHUT_WR,
  SPLICE_F_MOVE,
  SPLICE_F_NONBLOCK,
  send,
  shutdown,
  splice,
} from './libc.js';
import type { Loop } from './loop.js';
import { acknowledge } from './options.js';
import { PIPE_SIZE, type PipePool } from './pipes.js';
import { READ_SIZE } from './slab.js';

/** Reads that one direction may do before it goes to the end of the queue. */
const BUDGET = 16;
/** After so many full buffers in a row a direction is bulk traffic, and goes through a pipe. */
const BULK_READS = 2;
/** When less than this has come until there is nothing more, copying is cheaper again. */
const SPLICE_FLOOR = 16_384;
/** When so much has come, more is waited for a moment: it saves both sides a wake-up for each piece. */
const PACE_FLOOR = 131_072;

/** Passes bytes between two sockets with the thread's one buffer, or through a pipe when there is much. */
export class EpollRelay implements Relay {
  bytesIn = 0;
  bytesOut = 0;
  activeAt: number;
  readonly client: EpollConn;
  readonly upstream: EpollConn;
  /** Who ended it first. */
  end: RelayEnd | undefined = undefined;
  /** Who broke it off after that. */
  cut: RelayEnd | undefined = undefined;
  askedAt: number;
  private readonly loop: Loop;
  private readonly pipes: PipePool;
  private readonly observer: RelayObserver;
  private readonly track: boolean;
  private aborted = false;
  private over = false;

  constructor(
    loop: Loop,
    pipes: PipePool,
    client: EpollConn,
    upstream: EpollConn,
    observer: RelayObserver,
    track: boolean,
  ) {
    this.loop = loop;
    this.pipes = pipes;
    this.client = client;
    this.upstream = upstream;
    this.observer = observer;
    this.track = track;
    this.activeAt = this.askedAt = loop.time;
    client.relay = upstream.relay = this;
    client.other = upstream;
    upstream.other = client;
  }

  start(): void {
    const { client, upstream } = this;
    const head = client.takeHead();
    if (head.length > 0) {
      this.account(client, head.length);
      upstream.write(head);
    }
    if (client.finished) this.onFin(client);
    this.onEvents(client, false);
    if (upstream.closed) return;
    if (this.bytesIn === 0 && !upstream.finSent) acknowledge(this.loop.slab, upstream.fd);
    this.onEvents(upstream, false);
  }

  /** `conn` may have become readable, and writable if `flush`. */
  onEvents(conn: EpollConn, flush: boolean): void {
    const other = conn.other!;
    if (flush && !conn.closed) this.flush(conn, other);
    if (conn.readable && !conn.closed) this.pump(conn, other);
  }

  abort(reset: boolean): void {
    this.aborted = true;
    for (const conn of [this.client, this.upstream]) {
      this.dropPipe(conn);
      if (reset) conn.reset();
      else conn.close();
    }
    this.finish();
  }

  /** A side that was waiting to be reset is closed. */
  onReleased(): void {
    this.finish();
  }

  /** Read from `from` and send to `to` until there is nothing more, `to` is full, or the budget is used up. */
  private pump(from: EpollConn, to: EpollConn): void {
    const { slab } = this.loop;
    if (from.leaving) return;
    // A side that takes nothing any more is still read, to its end, when it is the one that broke.
    if (to.deaf && !from.deaf) return;
    for (let round = 0; round < BUDGET; round++) {
      if (to.pending.length > 0 || to.pipeBytes > 0) return;
      if (from.fullReads >= BULK_READS && !to.closed && !to.leaving) {
        if (!this.pumpPipe(from, to)) return;
        continue;
      }
      if (from.paced) from.unpace();
      const count = recv(from.fd, slab.buffer, READ_SIZE, 0);
      if (count <= 0) {
        this.nothing(from, count);
        return;
      }
      this.account(from, count);
      if (!this.deliver(to, count)) return;
      if (count === READ_SIZE) {
        from.fullReads++;
      } else {
        from.fullReads = 0;
        if (!from.hangup) {
          from.readable = false;
          return;
        }
      }
    }
    this.requeue(from);
  }

  /** Send the first `count` bytes of the buffer to `to`. False when it did not take them all. */
  private deliver(to: EpollConn, count: number): boolean {
    if (to.closed || to.leaving) return true;
    const { slab } = this.loop;
    const sent = send(to.fd, slab.buffer, count, MSG_NOSIGNAL);
    if (sent === count) return true;
    if (sent < 0) {
      if (errno() !== E.EAGAIN) {
        this.onDeaf(to);
        return false;
      }
      to.keep(slab.bufferBytes.subarray(0, count));
      return false;
    }
    to.keep(slab.bufferBytes.subarray(sent, count));
    return false;
  }

  /** One round through the pipe. False when `to` is full or there is nothing more. */
  private pumpPipe(from: EpollConn, to: EpollConn): boolean {
    const pipe = to.pipe ?? this.pipes.take();
    if (pipe === undefined) {
      from.fullReads = 0;
      return true;
    }
    to.pipe = pipe;
    const count = splice(from.fd, null, pipe.writeFd, null, PIPE_SIZE, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (count <= 0) {
      this.dropPipe(to);
      const { spliced } = from;
      from.spliced = 0;
      // Bulk traffic pauses all the time: whoever sends it waits for us.
      if (spliced < SPLICE_FLOOR) from.fullReads = 0;
      this.nothing(from, count);
      if (spliced >= PACE_FLOOR && count < 0 && !from.closed) from.pace();
      else if (from.paced) from.unpace();
      return false;
    }
    this.account(from, count);
    from.spliced += count;
    to.pipeBytes = count;
    return this.flushPipe(to);
  }

  /** Empty the pipe into `to`. True when it is empty. */
  private flushPipe(to: EpollConn): boolean {
    while (to.pipeBytes > 0) {
      const sent = splice(
        to.pipe!.readFd,
        null,
        to.fd,
        null,
        to.pipeBytes,
        SPLICE_F_MOVE | SPLICE_F_NONBLOCK,
      );
      if (sent <= 0) {
        if (sent < 0 && errno() !== E.EAGAIN) this.onDeaf(to);
        return false;
      }
      to.pipeBytes -= sent;
    }
    return true;
  }

  /** `conn` can be written again: what waits for it, then FIN or more of the other side's bytes. */
  private flush(conn: EpollConn, other: EpollConn): void {
    if (conn.pending.length > 0 && !conn.flushPending()) {
      if (conn.deaf) this.onDeaf(conn);
      return;
    }
    if (conn.pipeBytes > 0 && !this.flushPipe(conn)) return;
    if (conn.leaving) conn.resetWhenDelivered();
    else if (conn.finWanted) this.sendFin(conn);
    else if (other.readable && !other.closed) this.pump(other, conn);
  }

  /** A read of `from` found nothing (0 = FIN). */
  private nothing(from: EpollConn, count: number): void {
    if (count < 0 && errno() === E.EAGAIN) {
      from.readable = false;
      // After a failed send the kernel reports no error again: read empty is all there is.
      if (from.deaf && from.hangup) this.onBroken(from);
      return;
    }
    from.readable = false;
    if (count < 0 || from.deaf) this.onBroken(from);
    else this.onFin(from);
  }

  private onFin(from: EpollConn): void {
    const to = from.other!;
    from.finished = true;
    this.end ??= from === this.client ? 'client_closed' : 'backend_closed';
    if (to.closed || to.leaving || to.deaf) return;
    to.finWanted = true;
    if (to.pending.length === 0 && to.pipeBytes === 0) this.sendFin(to);
    if (!to.finished && !this.over) this.observer.onHalfClosed();
  }

  private sendFin(to: EpollConn): void {
    to.finWanted = false;
    to.finSent = true;
    const from = to.other!;
    if (to.finished && from.finSent && from.pending.length === 0) {
      // Both directions have ended: closing sends the last FIN.
      this.dropPipe(to);
      this.dropPipe(from);
      to.release();
      from.release();
      this.finish();
      return;
    }
    shutdown(to.fd, SHUT_WR);
  }

  /** `from` was reset, or broke: the other side gets what is buffered for it, then RST. */
  onBroken(from: EpollConn): void {
    const to = from.other!;
    if (from.leaving || from.closed) return;
    const how = from === this.client ? 'client_reset' : 'backend_reset';
    if (this.end === undefined) this.end = how;
    else this.cut ??= how;
    this.dropPipe(from);
    from.release();
    if (!to.closed) to.resetWhenDelivered();
    this.finish();
  }

  /** `conn` takes no more bytes. What it sent before it broke is still passed on, then it counts as reset. */
  private onDeaf(conn: EpollConn): void {
    conn.deaf = true;
    conn.hangup = conn.readable = true;
    conn.pending = conn.pending.subarray(0, 0);
    this.dropPipe(conn);
    this.requeue(conn);
  }

  private requeue(conn: EpollConn): void {
    if (conn.queued) return;
    conn.queued = true;
    this.loop.again(conn);
  }

  private account(from: EpollConn, count: number): void {
    const { time } = this.loop;
    if (this.track) this.activeAt = time;
    if (from === this.client) {
      if (this.bytesIn === 0 && this.bytesOut === 0) this.askedAt = time;
      this.bytesIn += count;
    } else {
      if (this.bytesOut === 0) this.observer.onFirstByte(time - this.askedAt);
      this.bytesOut += count;
    }
  }

  private dropPipe(conn: EpollConn): void {
    if (conn.pipe === undefined) return;
    this.pipes.give(conn.pipe, conn.pipeBytes === 0);
    conn.pipe = undefined;
    conn.pipeBytes = 0;
  }

  private finish(): void {
    if (this.over || !this.client.closed || !this.upstream.closed) return;
    this.over = true;
    this.dropPipe(this.client);
    this.dropPipe(this.upstream);
    if (this.aborted) this.observer.onRelayEnd(undefined);
    else this.observer.onRelayEnd(this.end, this.cut);
  }
}

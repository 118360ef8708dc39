import { Socket } from 'node:net';
import { Peer } from '../../address.js';
import { monotonic } from '../../monotonic.js';
import { TimerEntry, type TimerWheel } from '../../timer-wheel.js';
import { type ConnObserver, KEEPALIVE_AFTER_MS, type StreamConn } from '../engine.js';
import type { NetRelay } from './relay.js';

/** Bytes a client may send ahead of the relay; beyond that it is held back. */
const MAX_HEAD = 65_536;
/**
 * With a water mark of one byte a paused stream holds at most one chunk, a reset is never read past bytes that were
 * not delivered yet, and a write that the kernel did not take whole holds the sender back at once.
 */
export const WATER_MARK = 1;

const kConn = Symbol('lb4.conn');
type ConnSocket = Socket & { [kConn]: NetConn };

const EMPTY = Buffer.alloc(0);

/** A TCP or unix stream socket of the net engine, before and while it is relayed. */
export class NetConn extends TimerEntry implements StreamConn {
  readonly socket: ConnSocket;
  readonly peer: Peer;
  head: Buffer = EMPTY;
  relay: NetRelay | undefined = undefined;
  /** The other end of the relay. */
  other: NetConn | undefined = undefined;
  /** FIN was read. */
  finished = false;
  closed = false;
  /** A write failed: the other end takes nothing more, but what it sent before is still to be read. */
  deaf = false;
  /** Waits in the ResetQueue for its last bytes to be delivered. */
  leaving = false;
  private observer: ConnObserver | undefined = undefined;
  private readonly timers: TimerWheel;
  private readonly keepalive: number;

  /**
   * `reading`: read at once (clients), or through `upstreamRead` and only when the relay starts (upstreams). `keepalive`: silence
   * in ms before the first probe, 0 = none.
   */
  constructor(socket: Socket, peer: Peer, reading: boolean, timers: TimerWheel, keepalive: number) {
    super();
    this.socket = socket as ConnSocket;
    this.socket[kConn] = this;
    this.peer = peer;
    socket.destroy = destroyUnlessReadable;
    socket.on('end', onEnd);
    socket.on('error', onError);
    socket.on('close', onClose);
    if (reading) socket.on('data', onData);
    this.timers = timers;
    this.keepalive = keepalive;
    if (keepalive > 0 && peer.family !== 0) timers.schedule(this, KEEPALIVE_AFTER_MS, monotonic());
  }

  /** It has lasted. */
  onTimer(): void {
    this.socket.setKeepAlive(true, this.keepalive);
  }

  local(): Peer {
    return new Peer().setText(this.socket.localAddress ?? '', this.socket.localPort ?? 0);
  }

  observe(observer: ConnObserver | undefined): void {
    this.observer = observer;
  }

  /** A client is read from the start, as Node tells of FIN and reset to readers only. */
  readHead(): void {}

  consume(bytes: number): void {
    this.head = this.head.subarray(bytes);
    if (this.head.length < MAX_HEAD && this.socket.isPaused()) this.socket.resume();
  }

  write(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  close(): void {
    this.observer = undefined;
    if (this.socket.writableLength > 0) {
      // Whoever does not read will not read the rest either.
      this.socket.destroy();
      return;
    }
    this.head = EMPTY;
    this.socket.destroySoon();
  }

  reset(): void {
    this.observer = undefined;
    if (this.closed) return;
    const { socket } = this;
    // Only TCP knows RST; a unix socket is closed, which its reader sees as the end.
    if (socket.remotePort === undefined) socket.destroy();
    // While its FIN is on the way (one turn) libuv refuses the reset, and Node then loses the descriptor for good.
    else if (isShuttingDown(socket)) socket.once('finish', () => socket.resetAndDestroy());
    else socket.resetAndDestroy();
  }

  /** Take the bytes that came ahead. */
  takeHead(): Buffer {
    const head = this.head;
    this.head = EMPTY;
    return head;
  }

  startReading(): void {
    this.socket.on('drain', onDrain);
    if (this.other!.socket.writableLength > 0) this.socket.pause();
    else this.socket.resume();
  }

  addHead(chunk: Buffer): void {
    this.head = this.head.length === 0 ? chunk : Buffer.concat([this.head, chunk]);
    if (this.head.length >= MAX_HEAD) this.socket.pause();
    this.observer?.onHead();
  }

  ended(): void {
    this.closed = true;
    this.timers.cancel(this);
  }

  onFin(): void {
    if (this.relay === undefined) this.observer?.onFin();
    else this.relay.onFin(this);
  }

  onBroken(): void {
    if (this.relay === undefined) this.observer?.onBroken();
    else this.relay.onBroken(this);
  }
}

function isShuttingDown({ writableEnded, writableFinished, writableLength, destroyed }: Socket): boolean {
  return writableEnded && !writableFinished && writableLength === 0 && !destroyed;
}

export function connOf(socket: Socket): NetConn {
  return (socket as ConnSocket)[kConn];
}

function onData(this: Socket, chunk: Buffer): void {
  const conn = (this as ConnSocket)[kConn];
  if (conn.relay === undefined) conn.addHead(chunk);
  else conn.relay.forward(conn, chunk);
}

function onDrain(this: Socket): void {
  const other = (this as ConnSocket)[kConn].other!;
  if (!other.closed && !other.leaving) other.socket.resume();
}

/**
 * libuv reports a reset right behind the last bytes as FIN, and what was cut off would look complete. On a connection that
 * was reset a write fails, even of nothing; then 'error' follows. A unix socket knows no reset and its writes fail after FIN.
 */
function onEnd(this: Socket): void {
  const conn = (this as ConnSocket)[kConn];
  conn.finished = true;
  if (this.writableEnded || conn.peer.family === 0) conn.onFin();
  else if (this.writableLength === 0) {
    this.write(EMPTY, error => {
      if (!error) conn.onFin();
    });
  } else {
    // A write that waits for room fails by itself, in this turn, and FIN must not wait for it.
    setImmediate(() => {
      if (!this.destroyed) conn.onFin();
    });
  }
}

function onError(this: Socket): void {
  (this as ConnSocket)[kConn].onBroken();
}

function onClose(this: Socket): void {
  const conn = (this as ConnSocket)[kConn];
  conn.ended();
  conn.relay?.onClose();
}

/**
 * Node destroys a socket at the first failed write and drops what it has not read yet: the answer of a server that
 * refuses its input and closes. So a failed write only makes the socket deaf; the relay destroys it once it is read.
 */
function destroyUnlessReadable(this: Socket, error?: Error & { syscall?: string }): Socket {
  const conn = (this as ConnSocket)[kConn];
  if (error?.syscall === 'write' && conn.relay !== undefined && !conn.finished) {
    if (!conn.deaf) conn.relay.onDeaf(conn);
    return this;
  }
  return Socket.prototype.destroy.call(this, error);
}

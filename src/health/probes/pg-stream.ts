import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { PgFrames } from './pg-frames.js';
import { ProbeError } from './probe.js';
import { closeQuietly } from './wire.js';

/**
 * A connection that stands already, as the `pg` package wants it. What a hostile server may do ends here: `pg` sees
 * nothing but messages it can read, and an exception that they cause in it ends the stream and no more.
 */
export class PgStream extends Duplex {
  private readonly socket: Socket;
  private readonly frames = new PgFrames();

  constructor(socket: Socket) {
    super({ allowHalfOpen: false });
    this.socket = socket;
    socket.on('data', chunk => this.receive(chunk));
    socket.once('end', () => this.push(null));
    socket.once('error', error => this.destroy(error));
    socket.once('close', () => this.destroy());
  }

  /** A new question: its answer may be as long as any. */
  allowAnswer(): void {
    this.frames.reset();
  }

  /** Called by `pg`, with an address that is of no interest here. */
  connect(): this {
    process.nextTick(() => this.emit('connect'));
    this.socket.resume();
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  /** Whether a standing connection keeps the process alive. */
  ref(): this {
    this.socket.ref();
    return this;
  }

  unref(): this {
    this.socket.unref();
    return this;
  }

  override emit(event: string | symbol, ...args: unknown[]): boolean {
    try {
      return super.emit(event as string, ...args);
    } catch (error) {
      this.destroy(new ProbeError('the answer is not of PostgreSQL', { cause: error }));
      return true;
    }
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.socket.write(chunk, done);
  }

  override _final(done: () => void): void {
    closeQuietly(this.socket);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    // After a good-bye the socket closes by itself, once the server has said the rest.
    if (!this.writableFinished) this.socket.destroy();
    done(error);
  }

  private receive(chunk: Buffer): void {
    try {
      for (const message of this.frames.take(chunk)) this.push(message);
    } catch (error) {
      this.destroy(error as ProbeError);
    }
  }
}

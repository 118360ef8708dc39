import { connect, isIPv6, type NetConnectOpts, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import type { Endpoint } from '../../address.js';
import { formatDuration } from '../../duration.js';
import { ProbeError, probeErrorOf } from './probe.js';

/**
 * How long a probe's connection may stay half-closed while the backend says the rest of what it had to say. Closing
 * with unread or late bytes would make the kernel send RST, which servers log as an error.
 */
const LINGER_MS = 1_000;
/** How much of an answer a probe takes in. */
export const MAX_ANSWER = 65_536;

export interface TcpTarget {
  readonly endpoint: Endpoint;
  /** Local IP address to connect from; empty = the system's choice. Taken only where its family fits. */
  readonly source: string;
  /** Bytes ahead of everything else: a PROXY protocol header (v2 LOCAL, v1 UNKNOWN) or empty. */
  readonly preamble: Uint8Array;
}

/**
 * Connect, talk, and close quietly: FIN and never RST, whatever the backend sends.
 * Rejects with a ProbeError within `timeoutMs` milliseconds; otherwise ends as `talk` does.
 */
export async function converse<T>(
  target: TcpTarget,
  timeoutMs: number,
  signal: AbortSignal | undefined,
  talk: (wire: Wire) => Promise<T>,
): Promise<T> {
  if (signal?.aborted) throw new ProbeError('stopped');
  const wire = new Wire(target);
  const timer = setTimeout(() => wire.expire(timeoutMs), timeoutMs);
  timer.unref();
  const onAbort = (): void => wire.fail(new ProbeError('stopped'));
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    await wire.opened();
    return await talk(wire);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
    wire.close();
  }
}

/** A probe's connection as a sequence of steps, each of which rejects with a ProbeError when the connection fails. */
export class Wire {
  /** What the backend has not said yet, in words that follow "timeout after 1s"; may be set by whoever talks. */
  waiting: () => string = () => '';
  private socket: Socket;
  private connected = false;
  private failure: ProbeError | undefined;
  private reject: ((failure: ProbeError) => void) | undefined;
  private released = false;
  private readonly onError = (error: unknown): void => this.fail(probeErrorOf(error));

  constructor(target: TcpTarget) {
    this.socket = connect(connectOptions(target));
    // Stays for the life of the socket: what happens after the result no longer matters.
    this.socket.on('error', this.onError);
    if (target.preamble.length > 0) this.socket.write(target.preamble);
  }

  /** Resolves when the connection stands. */
  opened(): Promise<void> {
    return this.step(resolve =>
      this.socket.once('connect', () => {
        this.connected = true;
        resolve();
      }),
    );
  }

  write(bytes: Uint8Array | string): void {
    this.socket.write(bytes);
  }

  /** The next bytes, or undefined at the end of the connection. */
  read(): Promise<Buffer | undefined> {
    return this.step(resolve => {
      const { socket } = this;
      const take = (found: Buffer | undefined): void => {
        socket.pause();
        socket.off('data', take).off('end', atEnd);
        resolve(found);
      };
      const atEnd = (): void => take(undefined);
      if (socket.readableEnded) resolve(undefined);
      else socket.on('data', take).once('end', atEnd).resume();
    });
  }

  /** Go on in TLS; resolves after the handshake. */
  secure(options: ConnectionOptions): Promise<void> {
    this.waiting = () => ': no TLS handshake';
    return this.step(resolve => {
      this.socket = connectTls({ ...options, socket: this.socket });
      this.socket.on('error', this.onError);
      this.socket.once('secureConnect', () => {
        this.waiting = () => '';
        resolve();
      });
    });
  }

  /** Give the connection away: from here on it is the caller's to read and to close. */
  release(): Socket {
    this.released = true;
    this.socket.off('error', this.onError);
    return this.socket;
  }

  /** End what is being waited for, and every later step. */
  fail(failure: ProbeError): void {
    this.failure ??= failure;
    this.reject?.(this.failure);
  }

  expire(timeoutMs: number): void {
    const what = this.connected ? this.waiting() : '';
    this.fail(new ProbeError(`timeout after ${formatDuration(timeoutMs)}${what}`));
  }

  /** Done with it: FIN where there is a connection. */
  close(): void {
    if (this.released) return;
    if (this.connected) closeQuietly(this.socket);
    else this.socket.destroy();
  }

  private step<T>(start: (resolve: (value: T) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.failure !== undefined) {
        reject(this.failure);
        return;
      }
      this.reject = reject;
      start(resolve);
    });
  }
}

function connectOptions({ endpoint, source }: TcpTarget): NetConnectOpts {
  if (endpoint.kind === 'unix') return { path: endpoint.path };
  // A literal host: Node connects without a look-up.
  const { host, port } = endpoint;
  const fits = source !== '' && isIPv6(source) === isIPv6(host);
  return { host, port, noDelay: true, ...(fits && { localAddress: source }) };
}

/** FIN now, then read and drop until the other side's FIN, for at most LINGER_MS. Never keeps the process alive. */
export function closeQuietly(socket: Socket): void {
  if (socket.destroyed) return;
  const bound = setTimeout(() => socket.destroy(), LINGER_MS);
  bound.unref();
  socket.once('close', () => clearTimeout(bound));
  socket.unref();
  socket.end();
  socket.resume();
}

import { connect, isIPv6, type NetConnectOpts, type Socket } from 'node:net';
import type { Endpoint } from '../../address.js';
import { formatDuration } from '../../duration.js';
import { ProbeError, probeErrorOf } from './probe.js';

/**
 * How long a probe's connection may stay half-closed while the backend says the rest of what it had to say. Closing
 * with unread or late bytes would make the kernel send RST, which servers log as an error.
 */
const LINGER_MS = 1_000;

export interface TcpTarget {
  readonly endpoint: Endpoint;
  /** Local IP address to connect from; empty = the system's choice. Taken only where its family fits. */
  readonly source: string;
}

/** What a probe does on its connection. It calls `done` once: without an argument for well, else with why not. */
export type Talk = (socket: Socket, done: (failure?: ProbeError) => void) => void;

/**
 * Connect, talk, and close quietly: FIN and never RST, whatever the backend sends.
 * Rejects with a ProbeError within `timeoutMs` milliseconds; `waiting` adds to the timeout's reason what was missing.
 */
export function converse(
  target: TcpTarget,
  timeoutMs: number,
  signal: AbortSignal | undefined,
  talk: Talk,
  waiting: () => string = () => '',
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(new ProbeError('stopped'));
      return;
    }
    const socket = connect(connectOptions(target));
    let connected = false;
    let settled = false;
    const done = (failure?: ProbeError): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      if (connected) closeQuietly(socket);
      else socket.destroy();
      if (failure === undefined) resolve();
      else reject(failure);
    };
    const onAbort = (): void => done(new ProbeError('stopped'));
    const timer = setTimeout(() => {
      done(new ProbeError(`timeout after ${formatDuration(timeoutMs)}${connected ? waiting() : ''}`));
    }, timeoutMs);
    timer.unref();
    signal?.addEventListener('abort', onAbort, { once: true });
    // Stays for the life of the socket: what happens after the result no longer matters.
    socket.on('error', error => done(probeErrorOf(error)));
    socket.once('connect', () => {
      connected = true;
      talk(socket, done);
    });
  });
}

function connectOptions({ endpoint, source }: TcpTarget): NetConnectOpts {
  if (endpoint.kind === 'unix') return { path: endpoint.path };
  // A literal host: Node connects without a look-up.
  const { host, port } = endpoint;
  const fits = source !== '' && isIPv6(source) === isIPv6(host);
  return { host, port, noDelay: true, ...(fits && { localAddress: source }) };
}

/** FIN now, then read and drop until the other side's FIN, for at most LINGER_MS. Never keeps the process alive. */
function closeQuietly(socket: Socket): void {
  if (socket.destroyed) return;
  const bound = setTimeout(() => socket.destroy(), LINGER_MS);
  bound.unref();
  socket.once('close', () => clearTimeout(bound));
  socket.unref();
  socket.end();
  socket.resume();
}

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { Test } from 'tap';
import type { Endpoint } from '../../src/address.js';
import { NO_BYTES } from './helpers.js';

export const PLAIN = { protocol: 'tcp', source: '', preamble: NO_BYTES } as const;

export function local(port: number): Endpoint {
  return { kind: 'ip', host: '127.0.0.1', port };
}

/** A TCP server (or at a unix path) for one test; returns its port. It closes nothing by itself. */
export async function serve(
  t: Test,
  onConnection: (socket: Socket) => void,
  at = '127.0.0.1',
): Promise<number> {
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, socket => {
    open.add(socket);
    socket.on('error', () => {});
    onConnection(socket);
  });
  if (at.startsWith('/')) server.listen(at);
  else server.listen(0, at);
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    for (const socket of open) socket.destroy();
  });
  return at.startsWith('/') ? 0 : (server.address() as AddressInfo).port;
}

export type Reply = (data: Uint8Array) => void;

/** A UDP server for one test; returns its port. */
export async function serveUdp(
  t: Test,
  onMessage: (message: Buffer, reply: Reply, from: AddressInfo) => void,
  host = '127.0.0.1',
): Promise<number> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', (message, from) =>
    onMessage(message, data => socket.send(data, from.port, from.address), from),
  );
  socket.bind(0, host);
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  return socket.address().port;
}

/** A TCP port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

export interface Ending {
  readonly how: 'FIN' | 'RST';
  readonly read: string;
}

/**
 * How a probe's connection ended as its server saw it, and what it read. The server closes only `lateMs` after it saw
 * the end and writes `late` twice before: a probe that closed its socket too early answers the first with RST, which
 * the second runs into.
 */
export function ending(socket: Socket, late: Uint8Array = NO_BYTES, lateMs = 0): Promise<Ending> {
  const chunks: Buffer[] = [];
  let how: Ending['how'] = 'FIN';
  socket.on('data', chunk => chunks.push(chunk));
  socket.once('error', () => {
    how = 'RST';
  });
  socket.once('end', () => {
    const say = (times: number): void => {
      if (times === 0) socket.end();
      else socket.write(late, () => setTimeout(say, lateMs, times - 1));
    };
    say(late.length > 0 ? 2 : 0);
  });
  return new Promise(resolve => {
    socket.once('close', () => resolve({ how, read: Buffer.concat(chunks).toString('latin1') }));
  });
}

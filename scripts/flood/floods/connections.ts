/** Connections in bursts from many addresses of loopback; those that get in are held, and say nothing, until the next burst. */
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import type { FloodTask } from '../flood.js';
import { stepBack } from '../priority.js';

const BURST = 2_000;
/** What has not been turned away by then got in, or waits. */
const BURST_MS = 500;

const { ports, amount } = workerData as FloodTask;
stepBack();
let refused = 0;
let held = 0;
let waiting = 0;

const sink = createServer(socket => socket.on('error', () => {}).resume());
sink.listen({ host: '127.0.0.1', port: ports.sink, backlog: 4_096 });

for (let sent = 0; sent < amount; sent += BURST) {
  const sockets: Socket[] = [];
  for (let i = 0; i < BURST; i++) {
    const localAddress = `127.0.${1 + ((sent / BURST) % 200)}.${1 + (i % 250)}`;
    const socket = connect({ port: ports.flooded, host: '127.0.0.1', localAddress });
    socket.on('error', () => {});
    sockets.push(socket);
  }
  await sleep(BURST_MS);
  for (const socket of sockets) {
    if (socket.destroyed) refused++;
    else if (socket.connecting) waiting++;
    else held++;
    // A reset, or nothing where it is not connected: no port is kept busy for a minute.
    if (socket.connecting) socket.destroy();
    else socket.resetAndDestroy();
  }
}
parentPort!.postMessage({ refused, held, waiting });

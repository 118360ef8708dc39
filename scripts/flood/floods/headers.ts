/** Clients that begin a PROXY header and never end it, for as long as several of them may take. */
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import type { FloodTask } from '../flood.js';
import { stepBack } from '../priority.js';

const BYTE_MS = 500;
const HEADER = 'PROXY TCP4 198.51.100.7 198.51.100.8 ';

const { ports, amount, small } = workerData as FloodTask;
if (!small) stepBack();
const until = performance.now() + (small ? 3_500 : 10_000);
let opened = 0;
let closed = 0;

function open(): void {
  if (performance.now() > until) return;
  opened++;
  const localAddress = `127.0.${1 + (opened % 200)}.${1 + (opened % 250)}`;
  const socket = connect({ port: ports.good, host: '127.0.0.1', localAddress });
  let at = 0;
  const ticking = setInterval(() => socket.write(HEADER[at++] ?? ' '), BYTE_MS);
  socket.on('error', () => {});
  socket.on('close', () => {
    clearInterval(ticking);
    closed++;
    open();
  });
}

for (let i = 0; i < amount; i++) {
  open();
  if (i % 500 === 499) await sleep(50);
}
await sleep(Math.max(0, until - performance.now()));
parentPort!.postMessage({ opened, closed });

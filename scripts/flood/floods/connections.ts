/** Connections in bursts from many addresses of loopback; those that get in are held, and say nothing, until the next burst. */
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import type { FloodTask } from '../flood.js';
import { stepBack } from '../priority.js';

const BURST = 2_000;
const LOOK_MS = 100;
/** A burst is over when so many looks saw the same, and nobody is between the kernel's queue and the backend; or after LOOKS. */
const SAME = 3;
const LOOKS = 100;

const { ports, amount, small, everybodyWaits } = workerData as FloodTask;
if (!small) stepBack();
const tally = { refused: 0, held: 0, waiting: 0 };

/** Connections that came through to the backend. */
let inside = 0;
const sink = createServer(socket => {
  inside++;
  socket.on('error', () => {}).on('close', () => inside--);
  socket.resume();
});
sink.listen({ host: '127.0.0.1', port: ports.sink, backlog: 4_096 });

for (let sent = 0; sent < amount; sent += BURST) {
  const sockets: Socket[] = [];
  for (let i = 0; i < BURST; i++) {
    const localAddress = `127.0.${1 + ((sent / BURST) % 200)}.${1 + (i % 250)}`;
    const socket = connect({ port: ports.flooded, host: '127.0.0.1', localAddress });
    socket.on('error', () => {});
    sockets.push(socket);
  }
  await settled(sockets);
  for (const socket of sockets) {
    tally[fateOf(socket)]++;
    // A reset, or nothing where it is not connected: no port is kept busy for a minute.
    if (socket.connecting) socket.destroy();
    else socket.resetAndDestroy();
  }
  for (let looks = 0; looks < LOOKS && inside > 0; looks++) await sleep(LOOK_MS);
}
parentPort!.postMessage(tally);

/** In the end it was turned away, got in, or waits. */
function fateOf(socket: Socket): keyof typeof tally {
  if (socket.destroyed) return 'refused';
  return socket.connecting ? 'waiting' : 'held';
}

async function settled(sockets: readonly Socket[]): Promise<void> {
  let before = '';
  for (let looks = 0, same = 0; looks < LOOKS; looks++) {
    await sleep(LOOK_MS);
    const fates = sockets.map(fateOf);
    const now = fates.join();
    same = now === before ? same + 1 : 0;
    before = now;
    // A balancer that gets no processor time has turned nobody away yet.
    const isDecided = everybodyWaits || fates.filter(fate => fate !== 'refused').length <= inside;
    if (same >= SAME && isDecided) return;
  }
}

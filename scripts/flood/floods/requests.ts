/** Everything at once against the admin interface; none of them knows how to behave. */
import { connect, type Socket } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import type { FloodTask } from '../flood.js';
import { stepBack } from '../priority.js';

const AT_A_TIME = 200;
/** Long after the interface should have hung up. */
const PATIENCE_MS = 15_000;

const { ports, amount, small } = workerData as FloodTask;
if (!small) stepBack();
const tally = { answered: 0, refused: 0, hungUp: 0 };

type Kind = (socket: Socket) => void;

const head = (method: string, path: string, more = ''): string =>
  `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`;
const ask =
  (path: string): Kind =>
  socket =>
    void socket.write(head('GET', path, 'Connection: close\r\n'));

const KINDS: readonly Kind[] = [
  ask('/status'),
  ask('/metrics'),
  ask('/status'),
  ask('/openapi.json'),
  // A body of a megabyte, which is refused by its length.
  socket => {
    socket.write(head('POST', '/reload', 'Content-Type: application/json\r\nContent-Length: 1048576\r\n'));
    for (let i = 0; i < 16; i++) socket.write(Buffer.alloc(65_536, ' '));
  },
  // A head without end.
  socket => {
    socket.write('GET /status HTTP/1.1\r\nHost: localhost\r\n');
    const ticking = setInterval(() => socket.write('X-A: b\r\n'), 200);
    socket.on('close', () => clearInterval(ticking));
  },
  // A reader of events who does not read.
  socket => {
    socket.write(head('GET', '/events'));
    socket.pause();
    setTimeout(() => socket.destroy(), 2_000);
  },
  socket => void socket.write(Buffer.alloc(20_000, 'x')),
];

function one(n: number): Promise<void> {
  return new Promise(resolve => {
    const socket = connect({ port: ports.admin, host: '127.0.0.1' });
    let got = 0;
    const late = setTimeout(() => socket.destroy(), PATIENCE_MS);
    socket.on('connect', () => KINDS[n % KINDS.length]!(socket));
    socket.on('data', chunk => {
      got += chunk.length;
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(late);
      if (got > 0) tally.answered++;
      else if (socket.bytesWritten > 0) tally.hungUp++;
      else tally.refused++;
      resolve();
    });
  });
}

let next = 0;
const some = async (): Promise<void> => {
  while (next < amount) await one(next++);
};
await Promise.all(Array.from({ length: AT_A_TIME }, some));
parentPort!.postMessage(tally);

/** Well-behaved clients, in a thread of their own: each asks at its pace, over a connection that it keeps, and now and then over a new one. */
import { createSocket, type Socket as Datagrams } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';

export interface GoodOptions {
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  /** Written ahead on every connection. */
  readonly preamble: string;
}

/** What came of a period. */
export interface GoodReport {
  /** Questions asked on kept connections or flows, and answered. */
  readonly asked: number;
  readonly answered: number;
  /** New connections, and those over which an answer came. */
  readonly opened: number;
  readonly served: number;
  /** Round trip on a kept connection, ms. */
  readonly p50: number;
  readonly p99: number;
}

const CLIENTS = 40;
/** Each of them asks so often. */
const PERIOD_MS = 25;
/** All together open a new connection so often. */
const FRESH_MS = 20;
/** A new connection that was not answered by then has failed. */
const PATIENCE_MS = 2_000;
const QUESTION = Buffer.alloc(64, 'q');

const { protocol, port, preamble } = workerData as GoodOptions;
let asked = 0;
let answered = 0;
let opened = 0;
let served = 0;
let times: number[] = [];

class Client {
  askedAt = -1;
  private got = 0;
  private readonly send: () => void;

  constructor(socket: Socket | Datagrams) {
    if ('write' in socket) {
      this.send = () => void socket.write(QUESTION);
      socket.on('data', chunk => this.take(chunk.length));
    } else {
      this.send = () => socket.send(QUESTION);
      socket.on('message', message => this.take(message.length));
    }
    socket.on('error', () => {});
  }

  ask(): void {
    asked++;
    // A question that was not answered in time is lost; over TCP its answer may still come, and answers the next.
    this.askedAt = performance.now();
    this.send();
  }

  private take(bytes: number): void {
    this.got += bytes;
    if (this.got < QUESTION.length) return;
    this.got -= QUESTION.length;
    answered++;
    if (this.askedAt >= 0) times.push(performance.now() - this.askedAt);
    this.askedAt = -1;
  }
}

async function open(): Promise<Client> {
  if (protocol === 'udp') {
    const socket = createSocket('udp4');
    socket.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new Client(socket);
  }
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  if (preamble !== '') socket.write(preamble);
  return new Client(socket);
}

function openFresh(): void {
  opened++;
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const late = setTimeout(() => socket.destroy(), PATIENCE_MS);
  socket.on('error', () => {});
  socket.on('close', () => clearTimeout(late));
  socket.once('data', () => {
    served++;
    socket.destroy();
  });
  socket.write(Buffer.concat([Buffer.from(preamble), QUESTION]));
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** The report since the last one. */
function report(): GoodReport {
  const sorted = times.sort((a, b) => a - b);
  const found = {
    asked,
    answered,
    opened,
    served,
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
  };
  asked = answered = opened = served = 0;
  times = [];
  return found;
}

const clients = await Promise.all(Array.from({ length: CLIENTS }, open));
for (const [i, client] of clients.entries()) {
  setTimeout(() => setInterval(() => client.ask(), PERIOD_MS), (i * PERIOD_MS) / CLIENTS);
}
if (protocol === 'tcp') setInterval(openFresh, FRESH_MS);
parentPort!.on('message', () => parentPort!.postMessage(report()));
parentPort!.postMessage('ready');

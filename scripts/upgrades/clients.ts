import { createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** What a process of clients is to do, through the balancer's ports. */
export interface ClientOrder {
  readonly echo: number;
  readonly sink: number;
  /** 0 = no UDP. */
  readonly udp: number;
  readonly idle: number;
  /** Clients that ask all the time: what they wait for is what users see. */
  readonly busy: number;
  readonly flows: number;
  /** 0 = no transfer. */
  readonly transferBytes: number;
  readonly transferSeconds: number;
}

/** What they have seen so far. */
export interface ClientReport {
  readonly idleLost: number;
  readonly busyLost: number;
  readonly wrongBytes: number;
  readonly answers: number;
  /** Longest time that a client waited for an answer since the last report, ms. */
  readonly longestMs: number;
  readonly datagrams: number;
  readonly datagramsLost: number;
  /** Undefined until it is over. */
  readonly transfer: 'whole' | 'broken' | undefined;
}

const CHUNK = 64 * 1024;
const UDP_EVERY_MS = 20;
/** A datagram that was not answered by then is lost. */
const UDP_LATE_MS = 2_000;

let idleLost = 0;
let busyLost = 0;
let wrongBytes = 0;
let answers = 0;
let longestMs = 0;
let datagrams = 0;
let datagramsLost = 0;
let transfer: ClientReport['transfer'];
const idle: Socket[] = [];
let ending = false;

async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** Asks for numbers to be echoed, one after the other. */
async function keepBusy(port: number): Promise<void> {
  const socket = await open(port);
  let n = 0;
  let asked = performance.now();
  let got = '';
  const ask = (): void => {
    asked = performance.now();
    socket.write(`${n};`);
  };
  socket.on('data', chunk => {
    got += chunk.toString();
    if (!got.endsWith(';')) return;
    if (got !== `${n};`) wrongBytes++;
    longestMs = Math.max(longestMs, performance.now() - asked);
    answers++;
    got = '';
    n++;
    // Not as fast as it goes: they are here to notice, not to load.
    setTimeout(ask, 2);
  });
  socket.on('close', () => {
    if (!ending) busyLost++;
  });
  ask();
}

/** A session that says something now and then must still be there. */
async function echoes(socket: Socket, index: number): Promise<boolean> {
  if (socket.destroyed) return false;
  const text = `idle ${index};`;
  const answer = new Promise<boolean>(resolve => {
    let got = '';
    const onData = (chunk: Buffer): void => {
      got += chunk.toString();
      if (got.length < text.length) return;
      socket.off('data', onData);
      if (got !== text) wrongBytes++;
      resolve(true);
    };
    socket.on('data', onData);
    socket.once('close', () => resolve(false));
    setTimeout(() => resolve(false), 10_000).unref();
  });
  socket.write(text);
  return await answer;
}

async function send(port: number, bytes: number, seconds: number): Promise<void> {
  const socket = await open(port);
  const hash = createHash('sha256');
  const block = randomBytes(CHUNK);
  let answer = '';
  socket.on('data', chunk => {
    answer += chunk.toString();
  });
  const ended = once(socket, 'close');
  const began = performance.now();
  for (let sent = 0; sent < bytes && !socket.destroyed; sent += CHUNK) {
    block.writeDoubleLE(sent, 0);
    hash.update(block);
    if (!socket.write(Buffer.from(block))) await Promise.race([once(socket, 'drain'), ended]);
    const due = began + (sent / bytes) * seconds * 1000;
    if (due > performance.now()) await sleep(due - performance.now());
  }
  socket.end();
  await ended;
  transfer = answer === hash.digest('hex') ? 'whole' : 'broken';
}

function flow(port: number): void {
  const socket = createSocket('udp4');
  const waiting = new Map<string, number>();
  let n = 0;
  socket.on('message', data => {
    const text = data.toString();
    if (!waiting.delete(text)) wrongBytes++;
  });
  socket.on('error', () => {});
  setInterval(() => {
    const now = performance.now();
    for (const [text, at] of waiting) {
      if (now - at < UDP_LATE_MS) break;
      waiting.delete(text);
      datagramsLost++;
    }
    if (ending) return;
    const text = `datagram ${n++}`;
    waiting.set(text, now);
    datagrams++;
    socket.send(text, port, '127.0.0.1');
  }, UDP_EVERY_MS).unref();
}

async function begin(order: ClientOrder): Promise<void> {
  for (let i = 0; i < order.idle; i++) {
    const socket = await open(order.echo);
    idle.push(socket);
    if (!(await echoes(socket, i))) idleLost++;
  }
  for (let i = 0; i < order.busy; i++) await keepBusy(order.echo);
  if (order.udp !== 0) for (let i = 0; i < order.flows; i++) flow(order.udp);
  if (order.transferBytes > 0) void send(order.sink, order.transferBytes, order.transferSeconds);
}

/** `longest`: forget what was longest so far; `check`: ask the idle sessions; `end`: begin nothing more. */
type Message = { readonly begin: ClientOrder } | 'report' | 'check' | 'end';

process.on('message', async (message: Message) => {
  if (typeof message === 'object') await begin(message.begin);
  if (message === 'check') {
    const alive = await Promise.all(idle.map((socket, i) => echoes(socket, i)));
    idleLost = alive.filter(one => !one).length;
  }
  if (message === 'end') {
    ending = true;
    await sleep(UDP_LATE_MS + 500);
  }
  const report: ClientReport = {
    idleLost,
    busyLost,
    wrongBytes,
    answers,
    longestMs,
    datagrams,
    datagramsLost,
    transfer,
  };
  process.send!(report);
  longestMs = 0;
});
process.on('disconnect', () => process.exit(0));

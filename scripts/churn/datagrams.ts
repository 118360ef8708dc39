import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Stream } from './noise.js';
import type { Random } from './random.js';

const HEADER = 8;
const MOST = 65_507;
const TRIES = 80;
const TRY_MS = 250;

/** Sends every datagram back. */
export class Echo {
  private readonly sockets: Socket[] = [];

  async listen(host: string): Promise<string> {
    const socket = createSocket({ type: host.includes(':') ? 'udp6' : 'udp4', recvBufferSize: 4 << 20 });
    socket.on('message', (data, { port, address }) => socket.send(data, port, address, () => {}));
    socket.on('error', () => {});
    socket.bind(0, host);
    await once(socket, 'listening');
    this.sockets.push(socket);
    const { port } = socket.address();
    return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  }

  stop(): void {
    for (const socket of this.sockets) socket.close();
  }
}

function datagram(flow: number, number: number, size: number): Buffer {
  const data = Buffer.alloc(HEADER + size);
  data.writeUInt32LE(flow, 0);
  data.writeUInt32LE(number, 4);
  const stream = new Stream(flow * 65_536 + number);
  for (let at = HEADER; at < data.length; ) {
    const bytes = stream.take(data.length - at);
    bytes.copy(data, at);
    at += bytes.length;
  }
  return data;
}

/** A client of one flow: knows what it has sent and checks what comes back. */
class Flow {
  readonly faults: string[] = [];
  answers = 0;
  private readonly socket: Socket;
  private readonly id: number;
  /** Copies sent of each datagram, less copies that came back. */
  private readonly out = new Map<number, { size: number; copies: number; answered: boolean }>();

  constructor(socket: Socket, id: number) {
    this.socket = socket;
    this.id = id;
    socket.on('error', () => {});
    socket.on('message', data => this.check(data));
  }

  static async open(host: string, id: number): Promise<Flow> {
    const type = host.includes(':') ? 'udp6' : 'udp4';
    const socket = createSocket({ type, recvBufferSize: 4 << 20 });
    socket.bind(0, host);
    await once(socket, 'listening');
    return new Flow(socket, id);
  }

  send(number: number, size: number, port: number, host: string): void {
    const entry = this.out.get(number) ?? { size, copies: 0, answered: false };
    entry.copies++;
    this.out.set(number, entry);
    this.socket.send(datagram(this.id, number, size), port, host, () => {});
  }

  answered(number: number): boolean {
    return this.out.get(number)?.answered === true;
  }

  close(): void {
    this.socket.close();
  }

  private check(data: Buffer): void {
    const number = data.length < HEADER ? -1 : data.readUInt32LE(4);
    const entry = this.out.get(number);
    if (entry === undefined || !data.equals(datagram(this.id, number, entry.size))) {
      this.faults.push(
        `a datagram that was not sent like this: flow ${this.id}, ${data.length} bytes, number ${number}`,
      );
      return;
    }
    this.answers++;
    entry.answered = true;
    if (--entry.copies < 0) this.faults.push(`datagram ${number} of flow ${this.id} came twice`);
  }
}

/** Ask until there is an answer, a few times over. What went wrong, in words. */
export async function converse(host: string, port: number, id: number, random: Random): Promise<string[]> {
  const flow = await Flow.open(host, id);
  for (let number = 0; number < 5; number++) {
    const size = random.size(random.chance(10) ? MOST - HEADER : 1_400);
    for (let tries = 0; !flow.answered(number); tries++) {
      if (tries === TRIES) {
        flow.faults.push(`no answer to ${TRIES} datagrams: flow ${id}, number ${number}, ${size} bytes`);
        break;
      }
      flow.send(number, size, port, host);
      for (let waited = 0; waited < TRY_MS && !flow.answered(number); waited += 10) await sleep(10);
    }
  }
  flow.close();
  return flow.faults;
}

/** As fast as it goes; some may be lost, but none changed or doubled. */
export async function burst(host: string, port: number, id: number, random: Random): Promise<string[]> {
  const flow = await Flow.open(host, id);
  const count = random.between(50, 500);
  const equal = random.chance(50) ? random.size(1_400) : -1;
  for (let number = 0; number < count; number++) {
    flow.send(number, equal === -1 ? random.size(4_000) : equal, port, host);
    if (number % 64 === 63) await sleep(1);
  }
  await sleep(500);
  flow.close();
  return flow.faults;
}

import { connect, createServer, type NetConnectOpts, type Server, type Socket } from 'node:net';
import { PROXY_INVALID, ProxyHeader, parseProxyHeader } from '../../src/flow/proxy-protocol.js';
import { Stream } from './noise.js';
import type { Random } from './random.js';

/** How a connection is to go. Sizes in bytes. */
export interface Script {
  readonly id: number;
  /** From client to backend, and back. */
  readonly up: number;
  readonly down: number;
  /**
   * both: each sends at once and then FIN. client, backend: that side sends and closes first, the other one begins then.
   * client-reset, backend-reset: like both, until that side has read half. gone: the client leaves at once, by FIN or RST.
   */
  readonly ending: Ending;
  /** Each side stops reading for so long, once, in the middle. ms; 0 = it does not. */
  readonly halt: number;
  /** Bytes a write. */
  readonly chunk: number;
}

const ENDINGS = ['both', 'client', 'backend', 'client-reset', 'backend-reset', 'gone'] as const;
export type Ending = (typeof ENDINGS)[number];

export function someScript(id: number, random: Random): Script {
  return {
    id,
    up: random.size(random.chance(5) ? 8 << 20 : 200_000),
    down: random.size(random.chance(5) ? 8 << 20 : 200_000),
    ending: random.chance(50) ? random.one(['both', 'client', 'backend']) : random.one(ENDINGS),
    halt: random.chance(10) ? random.between(20, 1_500) : 0,
    chunk: random.one([1_000, 16_384, 65_536, 300_000]),
  };
}

/** What became of one side. */
export interface Outcome {
  received: number;
  /** The bytes were not those that were sent. */
  wrong: boolean;
  /** All of them came, and FIN after them. */
  complete: boolean;
  closed: boolean;
}

const LINE = 64;
/** Header and stream are cut from each other by length. */
const header = new ProxyHeader();

/** One end of a connection: sends its stream and checks the other one. */
class Side {
  readonly outcome: Outcome = { received: 0, wrong: false, complete: false, closed: false };
  private readonly incoming: Stream;
  private readonly outgoing: Stream;
  private readonly socket: Socket;
  private readonly wants: number;
  private readonly sends: number;
  private readonly script: Script;
  private halted = false;
  private readonly resets: boolean;

  constructor(socket: Socket, script: Script, isClient: boolean) {
    this.socket = socket;
    this.script = script;
    this.wants = isClient ? script.down : script.up;
    this.sends = isClient ? script.up : script.down;
    this.incoming = new Stream(script.id * 2 + (isClient ? 1 : 0));
    this.outgoing = new Stream(script.id * 2 + (isClient ? 0 : 1));
    const { ending } = script;
    this.resets = ending === (isClient ? 'client-reset' : 'backend-reset');
    const waits = ending === (isClient ? 'backend' : 'client');
    socket.on('end', () => {
      this.outcome.complete = this.outcome.received === this.wants;
      if (waits) this.send();
      else if (script.ending.endsWith('reset')) socket.destroy();
    });
    socket.on('close', () => {
      this.outcome.closed = true;
    });
    if (!waits) this.send();
  }

  read(bytes: Buffer): void {
    const { outcome, socket, script } = this;
    outcome.received += bytes.length;
    if (!this.incoming.matches(bytes) || outcome.received > this.wants) outcome.wrong = true;
    if (outcome.received * 2 < this.wants) return;
    if (this.resets && !socket.writableEnded) {
      cut(socket);
    } else if (script.halt > 0 && !this.halted) {
      this.halted = true;
      socket.pause();
      setTimeout(() => socket.resume(), script.halt);
    }
  }

  private send(): void {
    const { socket, outgoing, sends, script } = this;
    const push = (): void => {
      while (outgoing.at < sends && !socket.destroyed) {
        if (!socket.write(outgoing.take(Math.min(script.chunk, sends - outgoing.at)))) {
          socket.once('drain', push);
          return;
        }
      }
      // Where one is to reset, nobody sends FIN.
      if (!script.ending.endsWith('reset')) socket.end();
      else if (this.resets && this.wants === 0) cut(socket);
    };
    push();
  }
}

/** RST, where there is such a thing. */
function cut(socket: Socket): void {
  if (socket.remotePort === undefined) socket.destroy();
  else socket.resetAndDestroy();
}

/** Serves every script, whichever listener it comes in by. */
export class Servers {
  /** What the backend's side saw, by script. */
  readonly outcomes = new Map<number, Outcome>();
  readonly faults: string[] = [];
  private readonly list: Server[] = [];
  private readonly open = new Set<Socket>();

  /** `headed`: connections begin with a PROXY header. Resolves to the address as a configuration has it. */
  async listen(at: { host?: string; path?: string }, headed = false): Promise<string> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, socket => this.serve(socket, headed));
    this.list.push(server);
    await new Promise<void>((resolve, reject) => {
      server.on('error', reject);
      server.listen(
        at.path === undefined ? { host: at.host, port: 0, backlog: 4096 } : { path: at.path },
        resolve,
      );
    });
    if (at.path !== undefined) return `unix:${at.path}`;
    const { port } = server.address() as { port: number };
    return at.host!.includes(':') ? `[${at.host}]:${port}` : `${at.host}:${port}`;
  }

  stop(): void {
    for (const server of this.list) server.close();
    for (const socket of this.open) socket.destroy();
  }

  private serve(socket: Socket, headed: boolean): void {
    let head = Buffer.alloc(0);
    let side: Side | undefined;
    let naked = !headed;
    this.open.add(socket);
    socket.on('close', () => this.open.delete(socket));
    socket.on('error', () => {});
    socket.on('end', () => {
      if (side === undefined) socket.end();
    });
    socket.on('data', bytes => {
      if (side !== undefined) {
        side.read(bytes);
        return;
      }
      head = Buffer.concat([head, bytes]);
      if (!naked) {
        const used = parseProxyHeader(head, 'any', header);
        if (used === 0) return;
        if (used === PROXY_INVALID) {
          this.faults.push(`a PROXY header that does not hold: ${header.error}`);
          socket.destroy();
          return;
        }
        naked = true;
        head = head.subarray(used);
      }
      if (head.length < LINE) return;
      let script: Script;
      try {
        script = readLine(head.toString('latin1', 0, LINE));
      } catch {
        this.faults.push(`wrong bytes at the beginning: ${JSON.stringify(head.toString('latin1', 0, LINE))}`);
        socket.destroy();
        return;
      }
      side = new Side(socket, script, false);
      this.outcomes.set(script.id, side.outcome);
      if (head.length > LINE) side.read(head.subarray(LINE));
    });
  }
}

function writeLine({ id, up, down, ending, halt, chunk }: Script): string {
  return [id, up, down, ENDINGS.indexOf(ending), halt, chunk].join(' ').padEnd(LINE);
}

function readLine(line: string): Script {
  if (!/^(\d+ ){6} *$/.test(`${line} `)) throw new Error('not a script');
  const [id, up, down, ending, halt, chunk] = line.trim().split(' ').map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return { id, up, down, ending: ENDINGS[ending]!, halt, chunk };
}

/** Play the client's part of a script; resolves when its socket is closed, or after `patience` ms to undefined. */
export function play(to: NetConnectOpts, script: Script, patience: number): Promise<Outcome | undefined> {
  return new Promise(resolve => {
    const socket = connect({ ...to, allowHalfOpen: true, noDelay: true } as NetConnectOpts);
    const timer = setTimeout(() => {
      resolve(undefined);
      socket.destroy();
    }, patience);
    socket.on('error', () => {});
    const leaves = script.ending === 'gone';
    if (leaves && script.up % 2 === 0) socket.once('connect', () => cut(socket));
    if (leaves && script.up % 2 === 1) socket.once('connect', () => socket.destroy());
    if (!leaves) socket.write(writeLine(script));
    const side = leaves ? undefined : new Side(socket, script, true);
    socket.on('data', bytes => side?.read(bytes));
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(side?.outcome ?? { received: 0, wrong: false, complete: false, closed: false });
    });
  });
}

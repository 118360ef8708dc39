import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Longer than this is an error as well. */
const PATIENCE_MS = 3_000;

/** One request: a connection of its own, a line out, the backend's name back. */
export interface Outcome {
  readonly ms: number;
  /** Who answered; undefined for an error. */
  readonly backend: string | undefined;
  readonly error: string;
  /** The client's own port, by which lb4's log knows it. */
  readonly localPort: number;
}

/** Clients that ask without end, each over a new connection every time. */
export class Load {
  readonly outcomes: Outcome[] = [];
  private readonly port: number;
  private running = true;
  private readonly clients: Promise<void>[];

  constructor(port: number, clients: number, pauseMs: number) {
    this.port = port;
    this.clients = Array.from({ length: clients }, () => this.run(pauseMs));
  }

  async stop(): Promise<void> {
    this.running = false;
    await Promise.all(this.clients);
  }

  private async run(pauseMs: number): Promise<void> {
    while (this.running) {
      this.outcomes.push(await ask(this.port));
      await sleep(pauseMs);
    }
  }
}

function ask(port: number): Promise<Outcome> {
  const start = performance.now();
  return new Promise(resolve => {
    let answer = '';
    let error = '';
    let localPort = 0;
    const socket = connect({ port, host: '127.0.0.1' });
    socket.setTimeout(PATIENCE_MS, () => {
      error = 'no answer in time';
      socket.destroy();
    });
    socket.once('connect', () => {
      localPort = socket.localPort ?? 0;
      socket.write('hello\n');
    });
    socket.on('data', chunk => {
      answer += String(chunk);
    });
    socket.on('error', fault => {
      error = fault.message;
    });
    socket.once('close', () => {
      const whole = answer.endsWith('\n');
      if (!whole && error === '') error = 'closed without an answer';
      const backend = whole ? answer.trim() : undefined;
      resolve({ ms: performance.now() - start, backend, error: whole ? '' : error, localPort });
    });
  });
}

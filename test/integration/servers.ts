import { type ChildProcess, spawn } from 'node:child_process';
import { connect } from 'node:net';
import type { Owner } from '../fixtures/owner.js';
import { until } from '../fixtures/until.js';
import { program } from './programs.js';

/** A real server on a port of its own, stopped after the test. */
export class Server {
  /** Everything that it wrote, over all its lives. */
  output = '';
  private child: ChildProcess | undefined;
  private readonly path: string;
  private readonly args: readonly string[];
  private readonly options: { uid?: number; gid?: number; cwd?: string };

  constructor(
    t: Owner,
    name: string,
    args: readonly string[],
    options: { uid?: number; gid?: number; cwd?: string } = {},
  ) {
    this.path = program(name);
    this.args = args;
    this.options = options;
    t.teardown(() => this.kill());
  }

  get running(): boolean {
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  start(): void {
    const child = spawn(this.path, this.args, { ...this.options, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', chunk => {
        this.output += String(chunk);
      });
    }
    this.child = child;
  }

  /** Resolves when `probe` holds; rejects with the server's own words when it ends instead. */
  async ready(probe: () => Promise<boolean>): Promise<void> {
    await until(`${this.path} to be ready`, () => {
      if (!this.running) throw new Error(`${this.path} ended: ${this.output}`);
      return probe();
    });
  }

  /** Send a signal that does not end it. */
  signal(signal: NodeJS.Signals): void {
    this.child?.kill(signal);
  }

  /** SIGKILL, or another signal; resolves when it is gone. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.child?.kill(signal);
    await until(`end of ${this.path}`, () => !this.running);
  }
}

/** True when a connection to the port is accepted. */
export function accepts(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.end();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
    socket.resume();
  });
}

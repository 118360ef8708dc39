import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Owner } from '../../test/fixtures/owner.js';
import { program } from '../../test/integration/programs.js';

/** A load generator that runs for a while, or until it is ended. */
export class Load {
  output = '';
  private readonly child: ChildProcess;
  private readonly ended: Promise<unknown>;

  constructor(owner: Owner, name: string, args: readonly string[]) {
    // What is measured comes first.
    this.child = spawn('nice', ['-n', '19', program(name), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.on('data', chunk => {
        this.output += String(chunk);
      });
    }
    this.ended = once(this.child, 'exit');
    owner.teardown(() => this.end());
  }

  /** Everything that it wrote, when it is through. */
  async through(): Promise<string> {
    await this.ended;
    return this.output;
  }

  async end(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill();
    await this.ended;
  }
}

/** pgbench with ten clients at a bounded rate, so that three balancers and three servers fit on two cores. */
export function pgbench(
  owner: Owner,
  port: number,
  script: 'simple-update' | 'select-only',
  seconds: number,
): Load {
  const args = ['-n', '-h', '127.0.0.1', '-p', String(port), '-U', 'postgres', '-c', '10', '-j', '1'];
  return new Load(owner, 'pgbench', [...args, '-b', script, '-R', '100', '-T', String(seconds), 'postgres']);
}

/** redis-benchmark with ten clients, for as long as it lives. */
export function redisBenchmark(owner: Owner, port: number): Load {
  const args = ['-h', '127.0.0.1', '-p', String(port), '-c', '10', '-t', 'set', '-n', '100000000', '-q'];
  return new Load(owner, 'redis-benchmark', args);
}

/** Transactions that failed and clients that were lost, by pgbench's own account. */
export function pgbenchErrors(output: string): number {
  const failed = Number(/number of failed transactions: (\d+)/.exec(output)?.[1] ?? 0);
  return (
    failed +
    (output.match(/client \d+ (aborted|.*server closed)/g)?.length ?? 0) +
    (output.match(/connection to server .* failed/g)?.length ?? 0)
  );
}

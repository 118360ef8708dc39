import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { program } from '../../test/integration/programs.js';

/** None of them outlives this process, however that ends. */
const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/** What programs that know nothing of lb4 have said. */
export interface Outcome {
  readonly name: string;
  /** Operations that went well, or transactions. */
  readonly done: number;
  readonly errors: readonly string[];
}

export interface Running {
  /** Let it come to its end. */
  stop(): Promise<Outcome>;
}

const FAULT = /error|abort|reset|closed|refused|fail/i;
const NO_FAULT = /number of failed transactions: 0 |failed transactions: 0/;

/** pgbench with connections that are kept; it gives up a client whose connection breaks, and says so. */
export function pgbench(port: number, words: readonly string[]): Running {
  const args = ['-n', '-S', '-c', '8', '-j', '1', '-T', '3600', '-P', '1', ...words];
  const child = spawn(
    'pgbench',
    ['-h', '127.0.0.1', '-p', String(port), '-U', 'postgres', ...args, 'postgres'],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let done = 0;
  const errors: string[] = [];
  listen(child, line => {
    const tps = /^progress: .*?, ([\d.]+) tps.*?(\d+) failed/.exec(line);
    if (tps !== null) {
      done += Math.round(Number(tps[1]));
      if (tps[2] !== '0') errors.push(line);
    } else if (FAULT.test(line) && !NO_FAULT.test(line)) errors.push(line);
  });
  const ended = once(child, 'close');
  return {
    stop: async () => {
      if (child.exitCode !== null) errors.push(`pgbench ended by itself with ${child.exitCode}`);
      child.kill('SIGINT');
      await ended;
      return { name: 'pgbench -S -c 8', done, errors };
    },
  };
}

/** redis-benchmark, again and again, `pauseMs` between one and the next: it ends with an error when a connection does. */
export function redisBenchmark(
  port: number,
  words: readonly string[],
  requests: number,
  pauseMs = 0,
): Running {
  let done = 0;
  let stopped = false;
  const errors: string[] = [];
  const loop = (async () => {
    while (!stopped) {
      const args = ['-h', '127.0.0.1', '-p', String(port), '-q', '-t', 'set,get', '-n', String(requests)];
      const child = spawn(program('redis-benchmark'), [...args, ...words], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      listen(child, line => {
        if (FAULT.test(line)) errors.push(line);
      });
      const [code] = (await once(child, 'close')) as [number | null];
      if (code === 0) done += 2 * requests;
      else errors.push(`redis-benchmark ended with ${code}`);
      if (pauseMs > 0) await sleep(pauseMs);
    }
  })();
  return {
    stop: async () => {
      stopped = true;
      await loop;
      return { name: `redis-benchmark ${words.join(' ')}`, done, errors };
    },
  };
}

function listen(child: ChildProcess, onLine: (line: string) => void): void {
  children.add(child);
  child.once('close', () => children.delete(child));
  for (const stream of [child.stdout!, child.stderr!]) {
    let rest = '';
    stream.on('data', chunk => {
      const lines = (rest + String(chunk)).split(/[\r\n]+/);
      rest = lines.pop()!;
      for (const line of lines) if (line.trim() !== '') onLine(line.trim());
    });
  }
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { program } from '../../test/integration/programs.js';
import type { Outcome, Running } from '../upgrades/benchmarks.js';
import type { Scope } from '../upgrades/scope.js';

const RUN_SECONDS = 20;
/** The server is through with one client only a moment after that has left. */
const PAUSE_MS = 1_000;

export function iperfServer(scope: Scope, port: number): void {
  const server = spawn(program('iperf3'), ['-s', '-p', String(port)], { stdio: 'ignore' });
  scope.teardown(() => server.kill('SIGKILL'));
}

/** One stream at a bounded rate, again and again, now to the server and now from it. */
export function iperf(port: number, rate: string): Running {
  const errors: string[] = [];
  let done = 0;
  let stopped = false;
  const loop = (async () => {
    for (let i = 0; !stopped; i++) {
      const args = ['-c', '127.0.0.1', '-p', String(port), '-t', String(RUN_SECONDS), '-b', rate];
      const child = spawn(program('iperf3'), i % 2 === 0 ? args : [...args, '-R'], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let text = '';
      child.stderr.on('data', chunk => {
        text += String(chunk);
      });
      const [code] = (await once(child, 'close')) as [number | null];
      if (code === 0) done++;
      else errors.push(text.trim());
      await sleep(PAUSE_MS);
    }
  })();
  return {
    stop: async (): Promise<Outcome> => {
      stopped = true;
      await loop;
      return { name: `iperf3 ${RUN_SECONDS} s at ${rate}bit/s, both ways`, done, errors };
    },
  };
}

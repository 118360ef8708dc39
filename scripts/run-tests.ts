import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/**
 * Runs test files, each as `node FILE`, and prints one TAP stream in which every file is a subtest. Arguments are the
 * files; without any it is every compiled test. tap's own runner puts module hooks into each process and thread below a
 * test, which doubles the time that a program of ours takes to start; the files need nothing of it.
 *
 * JOBS: files at a time. FILE_SECONDS: after so long a file counts as hung.
 */

const JOBS = Number(process.env.JOBS ?? Math.max(2, availableParallelism()));
const FILE_SECONDS = Number(process.env.FILE_SECONDS ?? 300);
/** These take long, and go first: whatever is begun last is waited for with the other processors idle. */
const LONG = /upgrade|hand-over/;
/** tap ends a hung file itself and says which test it was in; one that can't even do that is killed. */
const GRACE_SECONDS = 15;

interface Outcome {
  readonly lines: readonly string[];
  readonly fault: string | undefined;
  readonly ms: number;
}

/** Run one file to its end. */
async function run(file: string): Promise<Outcome> {
  const start = performance.now();
  const lines: string[] = [];
  const child = spawn(process.execPath, ['--enable-source-maps', file], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, TAP: '1', TAP_TIMEOUT: String(FILE_SECONDS) },
  });
  const overdue = setTimeout(() => child.kill('SIGKILL'), (FILE_SECONDS + GRACE_SECONDS) * 1000);
  createInterface({ input: child.stdout }).on('line', line => lines.push(line));
  const [code, signal] = await once(child, 'close');
  clearTimeout(overdue);
  const planned = lines.some(line => /^1\.\.\d/.test(line));
  const fault = signal ?? (code !== 0 ? `exit code ${code}` : planned ? undefined : 'ended without a plan');
  return { lines, fault, ms: performance.now() - start };
}

function print(number: number, name: string, { lines, fault, ms }: Outcome): void {
  const inner = lines.filter(line => !/^TAP version/.test(line)).map(line => `    ${line}\n`);
  const why = fault === undefined ? '' : `  ---\n  fault: ${fault}\n  ...\n`;
  const point = `${fault === undefined ? '' : 'not '}ok ${number} - ${name} # time=${ms.toFixed(0)}ms`;
  process.stdout.write(`# Subtest: ${name}\n${inner.join('')}${point}\n${why}`);
}

/** Every compiled test, in the order of their names. */
function everyTest(): string[] {
  const root = fileURLToPath(new URL('../test', import.meta.url));
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(name =>
    name.endsWith('.test.js'),
  );
  return names.sort().map(name => join(root, name));
}

const files = process.argv.length > 2 ? process.argv.slice(2) : everyTest();
const isLong = (file: string): number => (LONG.test(file) ? 1 : 0);
const waiting = files.map(file => relative(process.cwd(), file)).sort((a, b) => isLong(b) - isLong(a));
let ended = 0;
let failed = false;

async function work(): Promise<void> {
  for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
    const outcome = await run(file);
    print(++ended, file, outcome);
    failed ||= outcome.fault !== undefined;
  }
}

process.stdout.write('TAP version 14\n');
await Promise.all(Array.from({ length: JOBS }, work));
process.stdout.write(`1..${files.length}\n`);
process.exitCode = failed ? 1 : 0;

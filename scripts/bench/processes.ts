import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { availableParallelism } from 'node:os';

/** The balancer has core 0 to itself; load generators and backends share core 1. */
export type Core = 'balancer' | 'load';

/** Pinning needs Linux' taskset and two cores; figures without it are of little use, and the report says so. */
export const canPin = process.platform === 'linux' && availableParallelism() > 1;

const running = new Set<ChildProcess>();

function pinned(core: Core, command: string, args: readonly string[]): [string, string[]] {
  if (!canPin) return [command, [...args]];
  return ['taskset', ['-c', core === 'balancer' ? '0' : '1', command, ...args]];
}

export interface Daemon {
  readonly pid: number;
  stop(): Promise<void>;
}

/** Start a program that stays. Its output is kept and shown if it ends by itself. */
export function daemon(core: Core, command: string, args: readonly string[]): Daemon {
  const child = spawn(...pinned(core, command, args), { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-4096);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  child.on('error', error => {
    output += String(error);
  });
  running.add(child);
  let stopping = false;
  const ended = new Promise<void>(resolve => {
    child.on('close', (code, signal) => {
      running.delete(child);
      if (!stopping) console.error(`${command} ended by itself (${signal ?? code}): ${output}`);
      resolve();
    });
  });
  return {
    pid: child.pid ?? -1,
    async stop() {
      stopping = true;
      child.kill('SIGTERM');
      const patience = setTimeout(() => child.kill('SIGKILL'), 5_000);
      await ended;
      clearTimeout(patience);
    },
  };
}

/** Run a load generator to its end; its standard output. Rejects when it fails or takes longer than `timeoutMs`. */
export async function run(command: string, args: readonly string[], timeoutMs = 120_000): Promise<string> {
  const child = spawn(...pinned('load', command, args), { stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  let output = '';
  let errors = '';
  child.stdout.on('data', chunk => {
    output += chunk;
  });
  child.stderr.on('data', chunk => {
    errors += chunk;
  });
  const patience = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    if (code !== 0) throw new Error(`${command} ${args.join(' ')}: ${signal ?? code} ${errors}${output}`);
    return output;
  } finally {
    clearTimeout(patience);
    running.delete(child);
  }
}

/** Whatever happens, nothing that was started here is left behind. SIGTERM, as a killed nginx would leave its worker. */
export function endAll(): void {
  for (const child of running) child.kill('SIGTERM');
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** Wait until somebody accepts at this address. */
export async function untilAccepting(host: string, port: number, timeoutMs = 15_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const socket = connect(port, host);
    const ok = await new Promise<boolean>(resolve => {
      socket.on('connect', () => resolve(true));
      socket.on('error', () => resolve(false));
    });
    socket.destroy();
    if (ok) return;
    if (performance.now() > deadline) throw new Error(`nobody accepts at ${host}:${port}`);
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}

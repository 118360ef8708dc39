import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

const START_LIMIT_MS = 15_000;
const STOP_LIMIT_MS = 5_000;
const RUN_LIMIT_MS = 60_000;

/** Everything that was started here and has not ended. */
const running = new Set<ChildProcess>();

function pinned(cores: string | undefined, command: string, args: readonly string[]): [string, string[]] {
  return cores === undefined ? [command, [...args]] : ['taskset', ['-c', cores, command, ...args]];
}

export interface Daemon {
  readonly pid: number;
  /** Why it is not running any more, although nobody stopped it. */
  readonly failure: string | undefined;
  stop(): Promise<void>;
}

/** Start a program that stays, on `cores` as taskset takes them. Its output is kept and shown if it ends by itself. */
export function daemon(cores: string | undefined, command: string, args: readonly string[]): Daemon {
  const child = spawn(...pinned(cores, command, args), { stdio: ['ignore', 'pipe', 'pipe'] });
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
  let failure: string | undefined;
  const ended = new Promise<void>(resolve => {
    child.on('close', (code, signal) => {
      running.delete(child);
      if (!stopping) {
        failure = `${command} ended by itself (${signal ?? code}): ${output}`.trim();
        console.error(failure);
      }
      resolve();
    });
  });
  return {
    pid: child.pid ?? -1,
    get failure() {
      return failure;
    },
    async stop() {
      stopping = true;
      child.kill('SIGTERM');
      const patience = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
      await ended;
      clearTimeout(patience);
    },
  };
}

/** Run a load generator to its end; its standard output. Rejects when it fails or takes longer than a minute. */
export async function run(
  cores: string | undefined,
  command: string,
  args: readonly string[],
): Promise<string> {
  const child = spawn(...pinned(cores, command, args), { stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  let output = '';
  let errors = '';
  child.stdout.on('data', chunk => {
    output += chunk;
  });
  child.stderr.on('data', chunk => {
    errors += chunk;
  });
  const patience = setTimeout(() => child.kill('SIGKILL'), RUN_LIMIT_MS);
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    if (code !== 0) {
      throw new Error(`${command} ${args.join(' ')}: ${signal ?? `code ${code}`} ${errors}${output}`.trim());
    }
    return output;
  } finally {
    clearTimeout(patience);
    running.delete(child);
  }
}

/** For the end of this process, whatever its cause. SIGTERM and not SIGKILL, which would leave nginx' workers behind. */
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

/** Wait until `program` accepts at this address. Rejects when it ended, or after 15 s. */
export async function untilAccepting(program: Daemon, host: string, port: number): Promise<void> {
  const deadline = performance.now() + START_LIMIT_MS;
  while (!(await accepts(host, port))) {
    if (program.failure !== undefined) throw new Error(program.failure);
    if (performance.now() > deadline) throw new Error(`nobody accepts at ${host}:${port}`);
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, host);
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

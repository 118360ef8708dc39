import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const BACKEND = fileURLToPath(new URL('./backend.js', import.meta.url));
const LB4 = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

/** A line of lb4's log. */
export interface LogLine {
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** Everything the demo has started; whatever happens, none of it outlives the demo. */
const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

function start(file: string, args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [file, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

/** A backend that can be killed and started again on its port. */
export class DemoBackend {
  readonly name: string;
  port = 0;
  private child: ChildProcess | undefined;

  constructor(name: string) {
    this.name = name;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  async start(): Promise<void> {
    this.child = start(BACKEND, [this.name, String(this.port)]);
    for await (const line of createInterface({ input: this.child.stdout! })) {
      this.port = Number(line);
      return;
    }
    throw new Error(`the backend ${this.name} did not start`);
  }

  async kill(): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
}

/** The real program in front of the backends. */
export class DemoBalancer {
  readonly child: ChildProcess;
  readonly args: readonly string[];
  readonly ready: Promise<void>;
  port = 0;

  constructor(args: readonly string[], onLog: (line: LogLine) => void) {
    this.args = args;
    this.child = start(LB4, [...args, '--log-format', 'json']);
    this.ready = new Promise((resolve, reject) => {
      this.child.once('exit', code => reject(new Error(`lb4 ended with ${code}`)));
      createInterface({ input: this.child.stdout! }).on('line', text => {
        const line = JSON.parse(text) as LogLine;
        if (line.msg === 'listening') this.port = Number(String(line.listen).split(':').at(-1));
        if (line.msg === 'ready') resolve();
        onLog(line);
      });
    });
  }

  /** Drain and end; resolves to the exit code. */
  async stop(): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode;
    this.child.kill('SIGTERM');
    const [code] = (await once(this.child, 'close')) as [number | null];
    return code;
  }
}

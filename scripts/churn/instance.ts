import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseConfigObject } from '../../src/config/parse.js';
import { printConfig } from '../../src/config/print.js';
import type { ConfigInput } from '../../src/config/schema.js';
import type { HeapAnswer, Question } from './inside.js';

const CLI = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const INSIDE = new URL('./inside.js', import.meta.url).href;
const START_MS = 60_000;
const HEAPS_MS = 20_000;

export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

interface Status {
  readonly services: readonly { readonly name: string; readonly active: number }[];
}

/** Descriptors by kind. Files do not count: Node leaves those open that a thread was loading when it was ended. */
export interface Descriptors {
  readonly sockets: number;
  readonly pipes: number;
  readonly others: number;
}

/** lb4 as a process of its own, which does what it is told and tells everything. */
export class Instance {
  readonly dir = mkdtempSync(join(tmpdir(), 'lb4-churn-'));
  /** Everything but the lines of finished connections, of which there are too many. */
  readonly lines: LogLine[] = [];
  /** Finished connections by reason. */
  readonly reasons = new Map<string, number>();
  exit: number | string | undefined = undefined;
  errors = '';
  private child!: ChildProcess;
  private readonly heapAnswers: HeapAnswer[] = [];
  private question = 0;

  write(input: ConfigInput): void {
    const admin = { listen: `unix:${join(this.dir, 'a')}` };
    writeFileSync(join(this.dir, 'lb4.toml'), printConfig(parseConfigObject({ ...input, admin })));
  }

  async start(input: ConfigInput): Promise<void> {
    this.write(input);
    this.child = spawn(process.execPath, ['--import', INSIDE, CLI, '-c', join(this.dir, 'lb4.toml')], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    createInterface(this.child.stdout!).on('line', line => this.add(line));
    this.child.stderr!.on('data', chunk => {
      this.errors += String(chunk);
    });
    this.child.on('close', (code, signal) => {
      this.exit = code ?? String(signal);
    });
    this.child.on('message', answer => this.heapAnswers.push(answer as HeapAnswer));
    const deadline = performance.now() + START_MS;
    while (!this.lines.some(({ msg }) => msg === 'ready')) {
      if (this.exit !== undefined) throw new Error(`lb4 ended with ${this.exit}: ${this.errors}`);
      if (performance.now() > deadline) throw new Error('lb4 does not start');
      await sleep(20);
    }
  }

  /** The port of a service's listener. */
  port(service: string): number {
    const listen = String(this.lines.find(one => one.msg === 'listening' && one.service === service)?.listen);
    return Number(listen.slice(listen.lastIndexOf(':') + 1));
  }

  /** Rejects when it says no. */
  async reload(): Promise<void> {
    await this.ask('POST', '/reload');
  }

  /** Connections and flows that are open. */
  async active(): Promise<number> {
    const { services } = (await this.ask('GET', '/status')) as Status;
    return services.reduce((sum, { active }) => sum + active, 0);
  }

  /** What it has said of threads that died. */
  get lost(): LogLine[] {
    return this.lines.filter(({ msg }) => msg === 'a data-plane thread died and is replaced');
  }

  /** End one of its threads, wherever that is in its work. */
  kill(which: number): void {
    this.tell({ kill: which });
  }

  /** Bytes on the heaps of all threads once the garbage is collected. */
  async heaps(threads: number): Promise<number> {
    const number = ++this.question;
    const mine = () => this.heapAnswers.filter(({ heaps }) => heaps === number);
    this.tell({ heaps: number });
    const deadline = performance.now() + HEAPS_MS;
    while (mine().length < threads + 1 && performance.now() < deadline) {
      // A data-plane thread looks at its messages when it is asked for something.
      await this.active();
      await sleep(50);
    }
    if (mine().length !== threads + 1) throw new Error(`${mine().length} of ${threads + 1} threads answer`);
    return mine().reduce((sum, { bytes }) => sum + bytes, 0);
  }

  descriptors(): Descriptors {
    const counts = { sockets: 0, pipes: 0, others: 0 };
    const dir = `/proc/${this.child.pid}/fd`;
    for (const name of readdirSync(dir)) {
      let target: string;
      try {
        target = readlinkSync(join(dir, name));
      } catch {
        continue;
      }
      if (target.startsWith('socket:')) counts.sockets++;
      else if (target.startsWith('pipe:')) counts.pipes++;
      else if (!target.startsWith('/')) counts.others++;
    }
    return counts;
  }

  /** SIGTERM; its exit code. */
  async stop(): Promise<number | string> {
    if (this.exit === undefined) {
      this.child.kill('SIGTERM');
      await Promise.race([once(this.child, 'close'), sleep(START_MS, undefined, { ref: false })]);
    }
    return this.exit ?? 'it does not end';
  }

  /** Whatever became of it. */
  clear(): void {
    this.child?.kill('SIGKILL');
    rmSync(this.dir, { recursive: true, force: true });
  }

  private tell(question: Question): void {
    if (this.child.connected) this.child.send(question);
  }

  private add(text: string): void {
    const line = JSON.parse(text) as LogLine;
    if (line.msg !== 'connection') {
      this.lines.push(line);
      return;
    }
    const reason = String(line.reason);
    this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + 1);
  }

  private ask(method: string, path: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const socketPath = join(this.dir, 'a');
      const asked = request({ socketPath, method, path, agent: false, timeout: 20_000 }, reply => {
        let text = '';
        reply.on('data', chunk => {
          text += String(chunk);
        });
        reply.on('end', () => {
          if (reply.statusCode === 200) resolve(JSON.parse(text));
          else reject(new Error(`${method} ${path}: ${reply.statusCode} ${text}`));
        });
      });
      asked.on('timeout', () => asked.destroy(new Error(`${method} ${path}: no answer`)));
      asked.on('error', reject);
      asked.end();
    });
  }
}

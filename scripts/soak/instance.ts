import { execFile, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { descriptors, memoryOf } from '../../test/fixtures/process.js';
import { until } from '../../test/fixtures/until.js';
import type { Scope } from '../upgrades/scope.js';

const CLI = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const START_MS = 60_000;

/** What the process that serves has at one time. */
export interface Sample {
  readonly minute: number;
  /** Resident memory, MiB. */
  readonly memory: number;
  readonly descriptors: number;
  readonly pid: number;
}

/** lb4 as a process of its own, which is reloaded and upgraded; after an upgrade it is another process. */
export class Instance {
  pid = 0;
  /** Lines of its log that were warnings or worse. */
  readonly warnings: string[] = [];
  private readonly file: string;
  private readonly admin: string;

  constructor(folder: string) {
    this.file = join(folder, 'lb4.toml');
    this.admin = `unix:${join(folder, 'admin.sock')}`;
  }

  /** `services`: TOML. */
  write(services: string): void {
    const head = `[runtime]\nthreads = 2\n[log]\nconnections = false\n[admin]\nlisten = "${this.admin}"\n`;
    writeFileSync(this.file, head + services);
  }

  async start(scope: Scope): Promise<void> {
    const child = spawn(process.execPath, [CLI, '-c', this.file], { stdio: ['ignore', 'pipe', 'inherit'] });
    let ready = false;
    createInterface(child.stdout).on('line', line => {
      if (line.includes('"msg":"ready"')) ready = true;
      if (/^{"level":[4-6]0/.test(line)) this.warnings.push(line);
    });
    this.pid = child.pid!;
    scope.teardown(() => {
      if (this.isAlive) process.kill(this.pid, 'SIGKILL');
    });
    await until('lb4', () => ready, START_MS);
  }

  get isAlive(): boolean {
    try {
      return readFileSync(`/proc/${this.pid}/cmdline`, 'utf8').includes(this.file);
    } catch {
      return false;
    }
  }

  async reload(): Promise<void> {
    await this.run('reload');
  }

  /** How long connections stood still, ms. */
  async upgrade(): Promise<number> {
    const report = JSON.parse(await this.run('upgrade', '--json')) as {
      pid: number;
      freeze_ms: number;
      lost: string[];
    };
    if (report.lost.length > 0) throw new Error(`lost: ${report.lost.join(', ')}`);
    this.pid = report.pid;
    return report.freeze_ms;
  }

  sample(minute: number): Sample {
    const { pid } = this;
    return { minute, memory: memoryOf(pid) / 2 ** 20, descriptors: descriptors(pid), pid };
  }

  private async run(...words: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(process.execPath, [CLI, ...words, '--admin', this.admin]);
    return stdout;
  }
}

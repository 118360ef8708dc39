import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseConfigObject } from '../../src/config/parse.js';
import { printConfig } from '../../src/config/print.js';
import type { ConfigInput } from '../../src/config/schema.js';

const CLI = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const START_MS = 60_000;

/** lb4 as a process of its own, that writes its log as it would anywhere. */
export interface Instance {
  /** Resident memory, MiB. */
  memory(): number;
  /** Why connections ended, by reason. */
  readonly reasons: ReadonlyMap<string, number>;
  /** Lines of its log that were warnings or worse since it served: the first few. */
  readonly warnings: readonly string[];
  stop(): Promise<void>;
}

/** Start it and wait until it serves. */
export async function startInstance(input: ConfigInput): Promise<Instance> {
  const folder = mkdtempSync(join(tmpdir(), 'lb4-flood-'));
  const file = join(folder, 'lb4.toml');
  writeFileSync(file, printConfig(parseConfigObject(input)));
  const child = spawn(process.execPath, [CLI, '-c', file], { stdio: ['ignore', 'pipe', 'inherit'] });
  const end = (): void => void child.kill('SIGKILL');
  process.on('exit', end);
  const reasons = new Map<string, number>();
  const warnings: string[] = [];
  let isReady = false;
  await new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`lb4 did not start within ${START_MS} ms`)), START_MS);
    child.once('exit', code => reject(new Error(`lb4 ended with ${code}`)));
    createInterface(child.stdout).on('line', line => {
      // Of a hundred thousand lines few are worth taking apart.
      const reason = /"reason":"(\w+)".*"msg":"connection"/.exec(line)?.[1];
      if (reason !== undefined) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      else if (line.includes('"msg":"ready"')) {
        clearTimeout(late);
        isReady = true;
        resolve();
      } else if (/^{"level":[4-6]0/.test(line) && isReady && warnings.length < 5) warnings.push(line);
    });
  });
  return {
    memory: () =>
      Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1_024,
    reasons,
    warnings,
    stop: async () => {
      process.off('exit', end);
      child.kill('SIGKILL');
      await once(child, 'close');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

import { execFile } from 'node:child_process';
import { CLI } from '../fixtures/program.js';
import { PATIENCE_MS } from '../fixtures/until.js';

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Run `lb4 …args` to its end. */
export function lb4(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  timeout = PATIENCE_MS,
): Promise<Ended> {
  const options = { env: { ...process.env, ...env }, timeout };
  return new Promise(resolve => {
    const child = execFile(process.execPath, [CLI, ...args], options, (error, stdout, stderr) => {
      resolve({
        code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1,
        stdout,
        stderr,
      });
    });
    child.stdin?.end();
  });
}

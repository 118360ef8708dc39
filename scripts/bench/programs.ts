import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Whether a program can be found along PATH. */
export function isInstalled(command: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some(dir => {
    try {
      accessSync(join(dir, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** The first line that a program prints on standard output or standard error. */
export function firstLine(command: string, ...args: readonly string[]): string {
  const output = execFileSync('sh', ['-c', '"$@" 2>&1', 'sh', command, ...args], {
    encoding: 'utf8',
    timeout: 10_000,
  });
  return output.split('\n', 1)[0]!.trim();
}

/** The commit of a checkout, with a mark if files differ from it; undefined where there is no repository. */
export function commit(checkout: string): string | undefined {
  try {
    const args = ['-C', checkout, 'describe', '--always', '--dirty', '--exclude=*'];
    return execFileSync('git', args, { encoding: 'utf8', stdio: 'pipe', timeout: 10_000 }).trim();
  } catch {
    return undefined;
  }
}

import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const POSTGRES = '/usr/lib/postgresql';

/** PATH, and where Debian puts servers. PostgreSQL's own folder first: all its programs must be of one version. */
function folders(): string[] {
  const versions = existsSync(POSTGRES) ? readdirSync(POSTGRES).sort((a, b) => Number(b) - Number(a)) : [];
  return [
    ...versions.map(version => join(POSTGRES, version, 'bin')),
    ...(process.env.PATH ?? '').split(':'),
    '/usr/sbin',
    '/usr/local/sbin',
  ];
}

/** Where an installed program is; undefined when it is not there. */
export function find(name: string): string | undefined {
  return folders()
    .map(folder => join(folder, name))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Options of a test that needs these programs: skipped where one is missing, but never in CI. */
export function needs(...names: readonly string[]): { skip?: string } {
  const missing = names.filter(name => find(name) === undefined);
  if (missing.length === 0 || process.env.CI === 'true') return {};
  return { skip: `NOT INSTALLED: ${missing.join(', ')}` };
}

/** The program's path; throws when it is not installed. */
export function program(name: string): string {
  const path = find(name);
  if (path === undefined) throw new Error(`${name} is not installed`);
  return path;
}

export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Run an installed program to its end, for at most a minute; `input` is what it reads. */
export function execute(
  name: string,
  args: readonly string[],
  {
    input,
    ...options
  }: { uid?: number; gid?: number; cwd?: string; env?: NodeJS.ProcessEnv; input?: string } = {},
): Promise<Output> {
  const all = { ...options, timeout: 60_000, maxBuffer: 16 << 20, env: { ...process.env, ...options.env } };
  return new Promise((resolve, reject) => {
    execFile(program(name), args, all, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code;
      if (typeof code === 'number') resolve({ code, stdout, stderr });
      else reject(error ?? new Error(`${name} was killed`));
    }).stdin?.end(input);
  });
}

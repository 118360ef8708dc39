import { readFileSync } from 'node:fs';
import { parseBind } from '../../address.js';
import { AdminClient } from '../../client/admin-client.js';
import { findInstance } from '../../client/instances.js';
import type { AdminAddress, RequesterOptions } from '../../client/request.js';
import { quote } from '../../config/text.js';
import { Lb4Error } from '../../errors.js';
import { describeSystemError } from '../../system-error.js';
import { type CommandLine, type Flag, parsing } from '../command.js';

/** Flags of every command that talks to a running instance. */
export const INSTANCE_FLAGS: readonly Flag[] = [
  {
    name: 'admin',
    kind: 'text',
    describe:
      'Where its admin interface listens: unix:/path or HOST:PORT [default: the only instance that runs]',
  },
  { name: 'name', kind: 'text', describe: 'Which instance, where several run', values: 'instances' },
  {
    name: 'token-file',
    kind: 'text',
    describe: 'File with the bearer token; else the environment variable LB4_TOKEN is taken, if it is set',
    values: 'files',
  },
];

/** The instance that the command line means. Throws Lb4Error. */
export async function connect(
  line: CommandLine,
  options: Pick<RequesterOptions, 'timeoutMs'> = {},
): Promise<AdminClient> {
  const token = tokenFrom(line.text('token-file'), process.env);
  return new AdminClient(await instanceOf(line), { ...options, ...(token !== undefined && { token }) });
}

async function instanceOf(line: CommandLine): Promise<AdminAddress> {
  const admin = line.text('admin');
  const name = line.text('name');
  // `unix` is the default place, as for `lb4 run`.
  if (admin === undefined || admin === 'unix') return await findInstance(name);
  if (name !== undefined) throw new Lb4Error('LB4_USAGE', 'expected --admin or --name, got both');
  const at = parsing('--admin', () => parseBind(admin));
  if (at.kind !== 'any') return at;
  return { kind: 'ip', host: '127.0.0.1', port: at.port };
}

function tokenFrom(file: string | undefined, env: NodeJS.ProcessEnv): string | undefined {
  if (file === undefined) return env.LB4_TOKEN || undefined;
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new Lb4Error(
      'LB4_USAGE',
      `--token-file: cannot read ${quote(file)}: ${describeSystemError(error)}`,
    );
  }
  const token = text.trim();
  // A header cannot carry anything else.
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new Lb4Error('LB4_USAGE', `--token-file: expected one word of printable ASCII in ${quote(file)}`);
  }
  return token;
}

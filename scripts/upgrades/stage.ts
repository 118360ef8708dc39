import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../test/fixtures/backends.js';
import { Postgres } from '../../test/integration/postgres-server.js';
import { execute } from '../../test/integration/programs.js';
import { Redis } from '../../test/integration/redis-server.js';
import type { Backends } from './backends.js';
import type { ClientOrder, ClientReport } from './clients.js';
import type { Scope } from './scope.js';

function start(scope: Scope, name: string): ChildProcess {
  const child = fork(fileURLToPath(new URL(name, import.meta.url)));
  scope.teardown(() => child.kill('SIGKILL'));
  return child;
}

/** The servers of backends.ts, in a process of their own. */
export async function startBackends(scope: Scope): Promise<Backends> {
  const [backends] = (await once(start(scope, './backends.js'), 'message')) as [Backends];
  return backends;
}

/** Redis, and PostgreSQL with what pgbench needs: their ports. */
export async function startDatabases(scope: Scope): Promise<{ redis: number; postgres: number }> {
  const redis = new Redis(scope.test, 'redis', await freePort());
  await redis.up();
  const postgres = await Postgres.primary(scope.test);
  const login = ['-h', '127.0.0.1', '-p', String(postgres.port), '-U', 'postgres'];
  const made = await execute('pgbench', ['-i', '-q', '-s', '1', ...login, 'postgres']);
  if (made.code !== 0) throw new Error(made.stderr);
  return { redis: redis.port, postgres: postgres.port };
}

/** The clients of clients.ts, in a process of their own. */
export class Clients {
  private readonly child: ChildProcess;

  constructor(scope: Scope) {
    this.child = start(scope, './clients.js');
  }

  async ask(message: { readonly begin: ClientOrder } | 'report' | 'check' | 'end'): Promise<ClientReport> {
    const answer = once(this.child, 'message');
    this.child.send(message);
    return ((await answer) as [ClientReport])[0];
  }
}

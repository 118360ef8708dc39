import { chownSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { freePort } from '../fixtures/backends.js';
import { config, oneService, startBalancer } from '../fixtures/balancer.js';
import { folder, startProgram } from '../fixtures/program.js';
import { until } from '../fixtures/until.js';
import { execute, needs } from './programs.js';
import { Server } from './servers.js';

/** PostgreSQL refuses to run as root. */
const USER = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};

/** A database cluster of its own, with pgbench's tables when `scale` is given. */
async function postgres(t: Test, { tables }: { tables: boolean }): Promise<{ server: Server; port: number }> {
  const dir = folder(t);
  if (USER.uid !== undefined) chownSync(dir, USER.uid, USER.gid);
  const data = join(dir, 'data');
  const run = { ...USER, cwd: dir };
  const init = await execute('initdb', ['-D', data, '-A', 'trust', '-U', 'postgres', '--no-sync'], run);
  if (init.code !== 0) throw new Error(init.stderr);
  const port = await freePort();
  const settings = [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    'fsync=off',
    'logging_collector=off',
    'shared_buffers=16MB',
  ];
  const args = ['-D', data, '-p', String(port), ...settings.flatMap(one => ['-c', one])];
  const server = new Server(t, 'postgres', args, run);
  server.start();
  await server.ready(async () => (await psql(port, 'select 1')) === '1');
  if (tables) {
    const { code, stderr } = await execute('pgbench', ['-i', '-q', '-n', ...connection(port)]);
    if (code !== 0) throw new Error(stderr);
  }
  return { server, port };
}

function connection(port: number): string[] {
  return ['-h', '127.0.0.1', '-p', String(port), '-U', 'postgres', 'postgres'];
}

async function psql(port: number, sql: string): Promise<string> {
  return (await execute('psql', ['-qAtX', '-c', sql, ...connection(port)])).stdout.trim();
}

const TOOLS = needs('initdb', 'postgres', 'pgbench', 'psql');

t.test('pgbench through lb4', TOOLS, async t => {
  const servers = [await postgres(t, { tables: true }), await postgres(t, { tables: true })];
  const program = await startProgram(
    t,
    config({
      main: {
        listen: '127.0.0.1:0',
        backends: servers.map(({ port }) => `127.0.0.1:${port}`),
        health: { kind: 'tcp', interval: '200ms' },
      },
    }),
  );
  const ports = new Set<string>();
  for (let i = 0; i < 4; i++) ports.add(await psql(program.port(), "select current_setting('port')"));
  t.same([...ports].sort(), servers.map(({ port }) => String(port)).sort(), 'both answer');

  for (const [what, words] of [
    ['select-only', ['-S', '-t', '200']],
    ['simple update', ['-N', '-t', '30']],
    ['a connection for each transaction', ['-S', '-C', '-t', '10']],
  ] as const) {
    const before = program.log.connections.length;
    const { code, stdout, stderr } = await execute('pgbench', [
      ...['-c', '10', '-j', '2', '-n', ...words],
      ...connection(program.port()),
    ]);
    t.equal(code, 0, `${what}: ${stderr}`);
    const total = 10 * Number(words.at(-1));
    t.match(stdout, `number of transactions actually processed: ${total}/${total}`, what);
    t.notMatch(stdout, /number of failed transactions: [1-9]/, what);
    const lines = (await program.log.finished(before + 10)).slice(before);
    t.same(new Set(lines.map(({ backend }) => backend)).size, 2, `${what}: both took part`);
    t.ok(
      // pgbench says good-bye and closes, and the server closes upon the good-bye: either may be seen first.
      lines.every(({ reason }) => reason === 'client_closed' || reason === 'backend_closed'),
      `${what}: ${lines.map(({ reason }) => reason)}`,
    );
  }
});

t.test('health probes leave no line in the log of PostgreSQL', TOOLS, async t => {
  const { server, port } = await postgres(t, { tables: false });
  const quiet = server.output;
  const { service } = await startBalancer(
    t,
    oneService({ backends: [`127.0.0.1:${port}`], health: { kind: 'tcp', interval: '20ms' } }),
  );
  const seen = new Set<unknown>();
  await until('twenty probes', () => {
    seen.add(JSON.stringify(service().backends[0]!.last_check));
    return seen.size > 20;
  });
  t.equal(service().backends[0]!.state, 'up');
  await psql(port, 'select 1');
  t.equal(server.output, quiet);
});

import t, { type Test } from 'tap';
import { config, oneService, startBalancer } from '../fixtures/balancer.js';
import { startProgram } from '../fixtures/program.js';
import { until } from '../fixtures/until.js';
import { connection, Postgres, psql } from './postgres-server.js';
import { execute, needs } from './programs.js';

/** A server with pgbench's tables. */
async function bench(t: Test): Promise<Postgres> {
  const server = await Postgres.primary(t);
  const { code, stderr } = await execute('pgbench', ['-i', '-q', '-n', ...connection(server.port)]);
  if (code !== 0) throw new Error(stderr);
  return server;
}

const TOOLS = needs('initdb', 'postgres', 'pgbench', 'psql');

t.test('pgbench through lb4', TOOLS, async t => {
  const servers = [await bench(t), await bench(t)];
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
  const server = await Postgres.primary(t);
  const quiet = server.output;
  const { service } = await startBalancer(
    t,
    oneService({ backends: [server.address], health: { kind: 'tcp', interval: '20ms' } }),
  );
  const seen = new Set<unknown>();
  await until('twenty probes', () => {
    seen.add(JSON.stringify(service().backends[0]!.last_check));
    return seen.size > 20;
  });
  t.equal(service().backends[0]!.state, 'up');
  await server.sql('select 1');
  t.equal(server.output, quiet);
});

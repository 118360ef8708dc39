import t, { type Test } from 'tap';
import { freePort } from '../fixtures/backends.js';
import { config } from '../fixtures/balancer.js';
import { type Program, startProgram } from '../fixtures/program.js';
import { until } from '../fixtures/until.js';
import { execute, needs } from './programs.js';
import { RedisClients } from './redis-clients.js';
import { cli, Redis } from './redis-server.js';

const NAMES = ['a', 'b', 'c'];

/** Three servers and lb4 in front. */
async function setUp(t: Test): Promise<{ servers: Redis[]; program: Program }> {
  const servers: Redis[] = [];
  for (const name of NAMES) servers.push(new Redis(t, name, await freePort()));
  await Promise.all(servers.map(server => server.up()));
  const program = await startProgram(
    t,
    config({
      main: {
        listen: '127.0.0.1:0',
        backends: servers.map(({ address }) => address),
        health: { kind: 'exchange', send: 'PING\r\nQUIT\r\n', expect: '+PONG', interval: '200ms' },
      },
    }),
  );
  return { servers, program };
}

t.test('redis-cli and redis-benchmark through lb4', needs('redis-server', 'redis-cli'), async t => {
  const { program } = await setUp(t);
  const port = program.port();
  const names: string[] = [];
  for (let i = 0; i < 9; i++) names.push(await cli(port, 'get', 'name'));
  t.same([...new Set(names)].sort(), NAMES, 'every server answers');
  const value = 'x'.repeat(100_000);
  t.equal(await cli(port, 'echo', value), value, 'a large answer');

  for (const kept of [true, false]) {
    const { code, stdout, stderr } = await execute('redis-benchmark', [
      ...['-h', '127.0.0.1', '-p', String(port), '-c', '30', '-t', 'ping_inline,set,get,lrange_100', '--csv'],
      ...(kept ? ['-n', '5000', '-P', '4'] : ['-n', '1500', '-k', '0']),
    ]);
    t.equal(code, 0, stderr);
    t.match(stdout, /^"GET",/m);
    t.notMatch(stdout + stderr, /error/i);
  }
  const reasons = new Set(program.log.connections.map(({ reason }) => reason));
  t.strictSame([...reasons], ['client_closed'], 'every connection was ended by its client');
});

t.test('one of three killed and started again under load', needs('redis-server', 'redis-cli'), async t => {
  const { servers, program } = await setUp(t);
  const victim = servers[1]!;
  const clients = new RedisClients(program.port(), { kept: 9, fresh: 6 });
  const count = (name: string): number => clients.answers.get(name) ?? 0;
  await until('load on all three', () => NAMES.every(name => count(name) > 200));

  await victim.kill();
  await program.log.line('backend is down');
  const before = { a: count('a'), c: count('c') };
  await until('load on the other two', () => count('a') > before.a + 200 && count('c') > before.c + 200);

  const seen = count(victim.name);
  await victim.up();
  await until('load on the one that came back', () => count(victim.name) > seen + 200);
  await clients.stop();
  t.pass('traffic moved and came back');

  // Every failure must be one of a connection that was open on the victim when it died.
  const port = (client: string): number => Number(client.slice(client.lastIndexOf(':') + 1));
  const lines = program.log.connections;
  const broken = new Set(
    lines
      .filter(({ backend, reason }) => backend === victim.address && /^backend_/.test(reason))
      .map(({ client }) => port(client)),
  );
  const others = clients.failures.filter(failure => !broken.has(failure.port));
  t.strictSame(others, [], 'nobody else saw an error');
  t.ok(clients.failures.length <= 9 + 6, `${clients.failures.length} connections were open on it`);
  const reasons = new Set(
    lines.filter(({ client }) => !broken.has(port(client))).map(({ reason }) => reason),
  );
  t.notOk(
    [...reasons].some(reason => !/^client_/.test(reason)),
    [...reasons].join(', '),
  );
});

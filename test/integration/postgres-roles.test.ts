import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { config, oneService, startBalancer } from '../fixtures/balancer.js';
import { certificate } from '../fixtures/certificate.js';
import { folder } from '../fixtures/program.js';
import { until } from '../fixtures/until.js';
import { PASSWORD, Postgres, PROGRAMS, psql, USER } from './postgres-server.js';
import { execute, needs } from './programs.js';

const TOOLS = needs(...PROGRAMS, 'openssl');

/** Lines that a server wrote since `mark` and that a client was the cause of. */
function linesSince(server: Postgres, mark: number): string[] {
  return server.output
    .slice(mark)
    .split('\n')
    .filter(line => line !== '' && !/checkpoint/.test(line));
}

t.test('probes without a login leave no line in the log, with and without TLS', TOOLS, async t => {
  const dir = folder(t);
  const { certFile, keyFile } = certificate(dir);
  await execute('chown', ['-R', String(USER.uid ?? process.getuid?.()), dir]);
  const tls = ['ssl=on', `ssl_cert_file=${certFile}`, `ssl_key_file=${keyFile}`];
  const servers = [await Postgres.primary(t), await Postgres.primary(t, { settings: tls })];
  const marks = servers.map(server => server.output.length);
  const { service } = await startBalancer(
    t,
    config({
      main: {
        listen: '127.0.0.1:0',
        backends: servers.map(({ address }) => address),
        health: { kind: 'postgres', interval: '20ms' },
      },
    }),
  );
  const seen = new Set<string>();
  await until('twenty probes of each', () => {
    for (const { id, last_check } of service().backends) seen.add(`${id} ${JSON.stringify(last_check)}`);
    return servers.every(({ address }) => [...seen].filter(one => one.startsWith(address)).length > 20);
  });
  t.strictSame(
    service().backends.map(({ state }) => state),
    ['up', 'up'],
  );
  for (const [i, server] of servers.entries()) {
    await server.sql('select 1');
    t.strictSame(linesSince(server, marks[i]!), []);
  }
});

t.test('two services over a primary and a replica, and a promotion', TOOLS, async t => {
  const primary = await Postgres.primary(t, { auth: 'scram-sha-256', settings: ['log_connections=on'] });
  const replica = await primary.replica(t);
  const password_file = join(folder(t), 'password');
  writeFileSync(password_file, `${PASSWORD}\n`);
  const health = {
    kind: 'postgres',
    user: 'postgres',
    password_file,
    interval: '100ms',
    on_down: 'close',
  } as const;
  const backends = [primary.address, replica.address];
  const listen = '127.0.0.1:0';
  const { service, port, log } = await startBalancer(t, {
    ...config({
      rw: { listen, group: 'pg', health: { role: 'primary' } },
      ro: { listen, group: 'pg', health: { role: 'replica', max_lag: '5s' } },
      reads: { listen, group: 'pg', health: { role: 'prefer-replica' } },
    }),
    groups: { pg: { backends, health } },
  });
  const states = (name: string): string =>
    service(name)
      .backends.map(({ state }) => state)
      .join(' ');
  await until('roles known', () => states('rw') === 'up down' && states('ro') === 'down up');
  t.equal(service('ro').backends[0]!.down_reason, 'it is a primary');
  const who = (name: string): Promise<string> => psql(port(name), "select current_setting('port')");
  t.equal(await who('rw'), String(primary.port));
  t.equal(await who('ro'), String(replica.port));
  t.equal(await who('reads'), String(replica.port));
  await psql(port('rw'), 'create table kept (n int); insert into kept values (7)');
  await until('replicated', async () => (await psql(port('ro'), 'select n from kept')) === '7');

  const logins = linesSince(primary, 0).filter(line => line.includes('application_name=lb4')).length;
  t.equal(logins, 1, 'one session for three services, kept');

  await primary.kill();
  await replica.promote();
  await until('the promoted one serves', async () => (await who('rw')) === String(replica.port));
  await until(
    'nothing but the promoted one',
    () => states('rw') === 'down up' && states('ro') === 'down down',
  );
  t.equal(await who('reads'), String(replica.port), 'no replica is left: the primary takes reads');
  t.equal(await who('ro'), '', 'but not where only replicas may');
  t.equal(await psql(port('rw'), 'insert into kept values (8); select count(*) from kept'), '2');

  primary.start();
  const told = () => log.all.find(({ msg }) => msg.startsWith('split brain'));
  const both = { service: 'rw', primaries: [...backends].sort(), kept: [replica.address], level: 50 };
  t.match(await until('the old primary is back, as a second one', told), both);
  await until('why it is not taken', () =>
    service('rw').backends[0]!.down_reason.includes('was promoted after it'),
  );
  t.equal(states('rw'), 'down up');
  t.equal(await who('rw'), String(replica.port));
  t.notMatch(JSON.stringify(log.all), PASSWORD);
});

t.test('TLS passes through: SCRAM with channel binding', TOOLS, async t => {
  const dir = folder(t);
  const { certFile, keyFile } = certificate(dir);
  await execute('chown', ['-R', String(USER.uid ?? process.getuid?.()), dir]);
  const tls = ['ssl=on', `ssl_cert_file=${certFile}`, `ssl_key_file=${keyFile}`];
  const server = await Postgres.primary(t, { auth: 'scram-sha-256', settings: tls });
  const { port } = await startBalancer(t, oneService({ backends: [server.address] }));
  const login = (front: number, sslmode: string) =>
    execute(
      'psql',
      [
        '-qAtX',
        ...['-c', 'select ssl from pg_stat_ssl where pid = pg_backend_pid()'],
        `host=127.0.0.1 port=${front} user=postgres dbname=postgres sslmode=${sslmode} sslrootcert=${certFile} channel_binding=require`,
      ],
      { env: { PGPASSWORD: PASSWORD } },
    );
  // The certificate names 127.0.0.1, which is what clients of lb4 connect to as well.
  t.match(await login(port(), 'verify-full'), { code: 0, stdout: 't\n' });
  t.match(
    await login(port(), 'disable'),
    { code: 2, stderr: /channel binding/ },
    'the client would not do without it',
  );
});

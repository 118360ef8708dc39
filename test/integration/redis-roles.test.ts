import { connect } from 'node:net';
import t from 'tap';
import { freePort } from '../fixtures/backends.js';
import { config, startBalancer } from '../fixtures/balancer.js';
import { certificate } from '../fixtures/certificate.js';
import { folder } from '../fixtures/program.js';
import { until } from '../fixtures/until.js';
import { needs } from './programs.js';
import { cli, Redis } from './redis-server.js';

const TOOLS = needs('redis-server', 'redis-cli');
const listen = '127.0.0.1:0';

t.test('two services over a primary and a replica, and a switch of roles', TOOLS, async t => {
  const users = ['default on >open ~* &* +@all', 'lb4 on >hush +ping +role +info'];
  const acl = users.flatMap(user => ['--user', ...user.split(' ')]);
  const auth = [...acl, '--masterauth', 'open', '--repl-ping-replica-period', '1'];
  const login = ['-a', 'open'];
  const a = new Redis(t, 'a', await freePort(), auth, login);
  await a.up();
  const follow = ['--replicaof', `127.0.0.1 ${a.port}`];
  const b = new Redis(t, 'b', await freePort(), [...auth, ...follow], login);
  await b.up();
  const health = {
    kind: 'redis',
    user: 'lb4',
    password: 'hush',
    interval: '100ms',
    on_down: 'close',
  } as const;
  const backends = [a.address, b.address];
  const { service, port, log } = await startBalancer(t, {
    ...config({
      rw: { listen, group: 'redis', health: { role: 'primary' } },
      ro: { listen, group: 'redis', health: { role: 'replica', max_lag: '15s' } },
    }),
    groups: { redis: { backends, health } },
  });
  const states = (name: string): string =>
    service(name)
      .backends.map(({ state }) => state)
      .join(' ');
  await until('roles known', () => states('rw') === 'up down' && states('ro') === 'down up');
  t.equal(await cli(port('rw'), ...login, 'set', 'k', '1'), 'OK');
  t.match(await cli(port('ro'), ...login, 'set', 'k', '1'), /READONLY/);

  const held = connect({ host: '127.0.0.1', port: port('rw') });
  const ended = new Promise(resolve => held.once('close', resolve));
  await until('a session on the primary', () => service('rw').backends[0]!.active === 1);
  await b.cli('replicaof', 'no', 'one');
  await a.cli('replicaof', '127.0.0.1', String(b.port));
  await ended;
  await until('the other way round', () => states('rw') === 'down up' && states('ro') === 'up down');
  t.equal(await cli(port('rw'), ...login, 'set', 'k', '2'), 'OK', 'the promoted one takes writes');
  t.equal(service('rw').backends[0]!.active, 0, 'no session is left on the demoted one');
  const ending = () => log.connections.find(({ reason }) => reason === 'backend_down');
  t.match(await until('the log of it', ending), { service: 'rw', backend: a.address });
  const line = log.all.find(({ from, to, service }) => from === 'up' && to === 'down' && service === 'rw');
  t.match(line, { msg: 'backend is down', backend: a.address, level: 40 });
  t.match(
    line?.reason,
    /^it is a replica$|was promoted after it$/,
    'between the two commands there are two primaries',
  );

  await a.cli('replicaof', 'no', 'one');
  const told = () =>
    log.all.find(({ msg, kept }) => msg.startsWith('split brain') && String(kept) === a.address);
  const both = { service: 'rw', primaries: [...backends].sort(), kept: [a.address], level: 50 };
  t.match(await until('two primaries, of which the one promoted last is taken', told), both);
  await until('as decided', () => states('rw') === 'up down');
  t.match(service('rw').backends[1]!.down_reason, /was promoted after it/);
  t.notMatch(JSON.stringify(log.all), /hush/);
});

t.test('a replica without its primary: MASTERDOWN, lag, and a login that is refused', TOOLS, async t => {
  const a = new Redis(t, 'a', await freePort());
  await a.up();
  const follow = ['--replicaof', `127.0.0.1 ${a.port}`];
  const strict = new Redis(t, 'b', await freePort(), [...follow, '--replica-serve-stale-data', 'no']);
  const lenient = new Redis(t, 'c', await freePort(), follow);
  await strict.up();
  await lenient.up();
  const linked = async (server: Redis) =>
    (await server.cli('info', 'replication')).includes('link_status:up');
  await until('links', async () => (await linked(strict)) && (await linked(lenient)));
  await a.kill();
  const replica = { kind: 'redis', interval: '100ms', fall: 1, role: 'replica' } as const;
  const { service } = await startBalancer(
    t,
    config({
      strict: { listen, backends: [strict.address], health: replica },
      late: { listen, backends: [lenient.address], health: { ...replica, max_lag: '1s' } },
      any: { listen, backends: [lenient.address], health: replica },
      login: { listen, backends: [lenient.address], health: { ...replica, user: 'x', password: 'y' } },
    }),
  );
  const why = (name: string): string => service(name).backends[0]!.down_reason;
  await until('all looked at', () => ['strict', 'late', 'login'].every(name => why(name) !== ''));
  t.match(why('strict'), /^probe failed: PING was answered with "MASTERDOWN Link with MASTER is down/);
  t.match(why('late'), /^probe failed: \d+s behind, more than 1s$/);
  t.match(why('login'), /^probe failed: AUTH was answered with "WRONGPASS/);
  t.equal(service('any').backends[0]!.state, 'up', 'however far behind');
});

t.test('over TLS, with a certificate that the server asks for', needs('redis-server', 'openssl'), async t => {
  const { certFile, keyFile } = certificate(folder(t));
  const port = await freePort();
  const files = ['--tls-cert-file', certFile, '--tls-key-file', keyFile, '--tls-ca-cert-file', certFile];
  const own = ['--tls', '--cacert', certFile, '--cert', certFile, '--key', keyFile];
  const server = new Redis(t, 'a', port, ['--port', '0', '--tls-port', String(port), ...files], own);
  await server.up();
  const good = { ca_file: certFile, cert_file: certFile, key_file: keyFile };
  const probed = (tls: object) => ({
    listen,
    backends: [server.address],
    health: { kind: 'redis', interval: '50ms', fall: 1, role: 'primary', tls } as const,
  });
  const { service } = await startBalancer(
    t,
    config({
      good: probed(good),
      named: probed({ ...good, server_name: 'db.test' }),
      wrongName: probed({ ...good, server_name: 'other.test' }),
      stranger: probed({ ...good, ca_file: undefined }),
      trusting: probed({ ...good, ca_file: undefined, verify: false }),
    }),
  );
  const seen = (name: string): string | undefined => {
    const { state, down_reason } = service(name).backends[0]!;
    return state === 'checking' ? undefined : `${state} ${down_reason}`;
  };
  for (const name of ['good', 'named', 'trusting']) t.equal(await until(name, () => seen(name)), 'up ');
  t.match(
    await until('wrong name', () => seen('wrongName')),
    /^down probe failed: TLS: Host: other.test. is not in the cert's altnames/,
  );
  t.equal(await until('stranger', () => seen('stranger')), 'down probe failed: self-signed certificate');
});

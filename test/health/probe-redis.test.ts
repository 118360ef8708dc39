import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Secret } from '../../src/config/secret.js';
import type { Finding } from '../../src/health/finding.js';
import { createProbe } from '../../src/health/probes/index.js';
import type { HealthSettings } from '../../src/health/settings.js';
import { folder } from '../fixtures/program.js';
import { until } from '../fixtures/until.js';
import { settings } from './helpers.js';
import { type Ending, ending, local, PLAIN, serve } from './servers.js';

const MASTER = '*3\r\n$6\r\nmaster\r\n:14\r\n*0\r\n';
const REPLICA = '*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:6379\r\n$9\r\nconnected\r\n:14\r\n';
const bulk = (text: string): string => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
const info = (...lines: readonly string[]): string => bulk(['# Replication', ...lines, ''].join('\r\n'));

/** A server that says these words to whatever comes; resolves to what a probe makes of it. */
async function ask(t: Test, answer: string, overrides: Partial<HealthSettings> = {}): Promise<Finding> {
  const port = await serve(t, socket => socket.once('data', () => socket.write(answer)));
  return check(port, overrides);
}

function check(port: number, overrides: Partial<HealthSettings> = {}, timeout = 1_000): Promise<Finding> {
  const probe = createProbe(settings({ kind: 'redis', ...overrides }), local(port), PLAIN);
  t.equal(probe?.description, `redis 127.0.0.1:${port}`);
  return probe!.check(timeout);
}

t.test('a primary, replicas, and how far they are behind', async t => {
  const found = (role: string, ...lines: readonly string[]) => ask(t, `+PONG\r\n${role}${info(...lines)}`);
  t.match(await found(MASTER, 'role:master'), { role: 'primary' });
  const [id, id2] = ['a1'.repeat(20), 'b2'.repeat(20)];
  const replication = [
    `master_replid:${id}`,
    `master_replid2:${id2}`,
    'master_repl_offset:4611686018427387904',
  ];
  t.strictSame((await found(MASTER, ...replication)).claim, {
    history: id,
    parent: id2,
    position: 2n ** 62n,
  });
  const none = { history: undefined, parent: undefined, position: undefined };
  t.strictSame((await found(MASTER, `master_replid2:${'0'.repeat(40)}`, 'master_replid:x')).claim, none);
  const lag = async (...lines: readonly string[]) => (await found(REPLICA, 'role:slave', ...lines)).lagMs;
  t.equal(await lag('master_link_status:up', 'master_last_io_seconds_ago:7'), 7_000);
  t.equal(await lag('master_link_status:down', 'master_link_down_since_seconds:40'), 40_000);
  t.equal(await lag('master_link_status:down', 'master_link_down_since_seconds:-1'), Infinity);
  t.equal(await lag(), undefined, 'a server that does not say');
});

t.test('what a server says instead of PONG is told as it is', async t => {
  const refused = (answer: string, message: string | RegExp) =>
    t.rejects(ask(t, answer), { name: 'ProbeError', message });
  await refused('-LOADING Redis is loading\r\n', 'PING was answered with "LOADING Redis is loading"');
  await refused('-MASTERDOWN Link with MASTER is down\r\n', /MASTERDOWN/);
  await refused(
    '-NOAUTH Authentication required.\r\n',
    'PING was answered with "NOAUTH Authentication required."',
  );
  await refused('*1\r\n+PONG\r\n', 'PING was answered with "[\\"PONG\\"]"');
  await refused(
    'HTTP/1.1 400 Bad Request\r\n',
    'expected an answer of Redis, got "HTTP/1.1 400 Bad Request"',
  );
  await refused(
    `+PONG\r\n*3\r\n${bulk('sentinel')}*0\r\n*0\r\n${info()}`,
    'it is a Sentinel, not a Redis server',
  );
  t.match(await ask(t, `+PONG\r\n-NOPERM no \x1b[1m\r\n${info()}`), {
    roleFault: 'ROLE was answered with "NOPERM no \\x1b[1m"',
  });
});

t.test('a server that answers slowly, in part, too much or not at all', async t => {
  const silent = await serve(t, () => {});
  await t.rejects(check(silent, {}, 50), { message: 'timeout after 50ms: no answer to PING' });
  const half = await serve(t, socket => socket.write('+PONG\r\n*3\r\n$6\r\nmas'));
  await t.rejects(check(half, {}, 50), { message: 'timeout after 50ms: no answer to ROLE' });
  const closing = await serve(t, socket => socket.end('+PONG\r\n'));
  await t.rejects(check(closing), { message: 'expected an answer to ROLE, got end of connection' });
  const flood = await serve(t, socket => {
    socket.write('+PONG\r\n*4000\r\n');
    socket.write(Buffer.alloc(4_000_000, `$30\r\n${'x'.repeat(30)}\r\n`));
  });
  await t.rejects(check(flood), { message: 'the answer is longer than 64 KiB' });
  const trickle = await serve(t, socket => {
    const timer = setInterval(() => socket.write('*'), 1);
    socket.once('close', () => clearInterval(timer));
  });
  await t.rejects(check(trickle, {}, 100), { message: /timeout after 100ms|expected an answer of Redis/ });
});

t.test('it logs in first, with what is configured, and closes with FIN', async t => {
  const dir = folder(t);
  const file = join(dir, 'password');
  writeFileSync(file, 'from file\n');
  for (const [login, sent] of [
    [{}, ''],
    [{ password: new Secret('hush') }, '*2\r\n$4\r\nAUTH\r\n$4\r\nhush\r\n'],
    [{ user: 'lb4', password_file: file }, '*3\r\n$4\r\nAUTH\r\n$3\r\nlb4\r\n$9\r\nfrom file\r\n'],
  ] as const) {
    const ended: Promise<Ending>[] = [];
    const port = await serve(t, socket => {
      const answer = `${sent === '' ? '' : '+OK\r\n'}+PONG\r\n${MASTER}${info('role:master')}`;
      socket.once('data', () => socket.write(answer));
      ended.push(ending(socket));
    });
    t.match(await check(port, login), { role: 'primary' });
    const { how, read } = await (await until('the end', () => ended[0]))!;
    t.equal(how, 'FIN');
    t.equal(
      read,
      `${sent}*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nROLE\r\n*2\r\n$4\r\nINFO\r\n$11\r\nreplication\r\n`,
    );
  }
});

t.test('a login that fails is told without the password', async t => {
  const wrong = ask(t, '-WRONGPASS invalid username-password pair\r\n', { password: new Secret('hush') });
  await t.rejects(wrong, { message: 'AUTH was answered with "WRONGPASS invalid username-password pair"' });
});

t.test('a password file that cannot be read is no fault of the server', async t => {
  const port = await serve(t, () => {});
  const missing = check(port, { password_file: '/nonexistent/password' });
  await t.rejects(missing, { message: 'password_file cannot be read: ENOENT', local: true });
});

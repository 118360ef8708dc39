import fc from 'fast-check';
import t from 'tap';
import { Secret } from '../../src/config/secret.js';
import type { Finding } from '../../src/health/finding.js';
import { createProbe } from '../../src/health/probes/index.js';
import { position, ReplicaClock } from '../../src/health/probes/postgres-role.js';
import { loadPg } from '../../src/health/probes/postgres-session.js';
import { ProbeError } from '../../src/health/probes/probe.js';
import type { HealthSettings } from '../../src/health/settings.js';
import { FakePostgres } from '../fixtures/fake-postgres.js';
import { until } from '../fixtures/until.js';
import { settings } from './helpers.js';
import { type Ending, ending, local, PLAIN, serve } from './servers.js';

const LOGIN = { user: 'lb4', password: new Secret('hush') } as const;

function probe(port: number, overrides: Partial<HealthSettings> = {}) {
  return createProbe(settings({ kind: 'postgres', ...overrides }), local(port), PLAIN)!;
}

t.test('without a user: SSLRequest, its answer, FIN', async t => {
  const ended: Promise<Ending>[] = [];
  const port = await serve(t, socket => {
    socket.once('data', () => socket.write('N'));
    ended.push(ending(socket));
  });
  const alive = probe(port);
  t.equal(alive.description, `postgres 127.0.0.1:${port}`);
  t.strictSame(await alive.check(1_000), {});
  t.strictSame(await until('the end', () => ended[0]), { how: 'FIN', read: '\0\0\0\x08\x04\xd2\x16/' });
});

for (const [what, answer, message] of [
  ['something else', 'HTTP/1.1 400', 'expected "S" or "N" from PostgreSQL, got "HTTP/1.1 400"'],
  ['text behind the answer', 'Sneaky', 'expected "S" or "N" from PostgreSQL, got "Sneaky"'],
  [
    'an error',
    'E\0\0\0\x20could not fork',
    'expected "S" or "N" from PostgreSQL, got "E\\x00\\x00\\x00 could not fork"',
  ],
] as const) {
  t.test(`a server that answers with ${what}`, async t => {
    const port = await serve(t, socket => socket.once('data', () => socket.write(answer, 'latin1')));
    await t.rejects(probe(port).check(1_000), { name: 'ProbeError', message });
    await t.rejects(probe(port, { ...LOGIN, tls: { verify: false } }).check(1_000), { message });
  });
}

t.test('a server that does not answer, closes, or has no TLS', async t => {
  const silent = await serve(t, () => {});
  await t.rejects(probe(silent).check(50), { message: 'timeout after 50ms: no answer to SSLRequest' });
  const hung = await serve(t, socket => socket.once('data', () => socket.write('S')));
  await t.rejects(probe(hung).check(50), { message: 'timeout after 50ms: no TLS handshake' });
  await t.rejects(probe(silent, LOGIN).check(50), {
    message: 'timeout after 50ms: no answer from PostgreSQL',
  });
  const closing = await serve(t, socket => socket.end());
  await t.rejects(probe(closing).check(1_000), {
    message: 'expected an answer to SSLRequest, got end of connection',
  });
  await t.rejects(probe(closing, LOGIN).check(1_000), { message: /terminated/ });
  const plain = await serve(t, socket => socket.once('data', () => socket.write('N')));
  await t.rejects(probe(plain, { ...LOGIN, tls: { verify: true } }).check(1_000), {
    message: 'the server does not speak TLS',
  });
});

t.test('one session is kept over many checks, and opened again when it breaks', async t => {
  const server = await FakePostgres.start(t, { replica: 'false' });
  const session = probe(server.port, LOGIN);
  for (let i = 0; i < 5; i++) t.match(await session.check(1_000), { role: 'primary' });
  t.equal(server.logins, 1);
  t.strictSame(
    server.startup.filter((_, i, all) => all[i - 1] === 'application_name'),
    ['lb4'],
  );
  server.row = { replica: 'true', streaming: 'true', received: '0/5', replayed: '0/5', behind: '1' };
  t.match(await session.check(1_000), { role: 'replica', lagMs: 0 }, 'it became a replica');
  server.disconnect();
  await until('the probe has seen it', () => server.open === 0);
  t.match(await session.check(1_000), { role: 'replica' });
  t.equal(server.logins, 2);
  session.close!();
  await until('good-bye', () => server.open === 0);
  t.equal(server.goodbyes, 1, 'and none to the one that hung up');
});

t.test('a session that stops answering is given up, and so is a stopped check', async t => {
  const server = await FakePostgres.start(t, { replica: 'false' });
  const session = probe(server.port, LOGIN);
  await session.check(1_000);
  server.row = undefined;
  await t.rejects(session.check(50), { message: 'timeout after 50ms: no answer from PostgreSQL' });
  await until('it is closed', () => server.open === 0);
  const stop = new AbortController();
  const asked = session.check(10_000, stop.signal);
  await until('logged in again', () => server.logins === 2);
  stop.abort();
  await t.rejects(asked, { message: 'stopped' });
  await until('it is closed', () => server.open === 0);
});

t.test('a server that tells less is asked less, once', async t => {
  const server = await FakePostgres.start(t, { replica: 'true' });
  server.refuse = sql => (sql.includes('receiver') ? ['42501', 'permission denied for view x'] : undefined);
  const session = probe(server.port, LOGIN);
  t.strictSame(await session.check(1_000), { role: 'replica', lagMs: undefined });
  t.strictSame(await session.check(1_000), { role: 'replica', lagMs: undefined });
  t.equal(server.questions.filter(sql => sql.includes('receiver')).length, 1);
  server.refuse = () => ['53300', 'too many \x1b[31mconnections'];
  await t.rejects(session.check(1_000), { message: 'too many ?[31mconnections (SQLSTATE 53300)' });
  session.close!();
});

t.test('what a login is refused with', async t => {
  const server = await FakePostgres.start(t, { replica: 'true' });
  server.refuseLogin = ['28P01', 'password authentication failed for user "lb4"'];
  await t.rejects(probe(server.port, LOGIN).check(1_000), {
    message: 'password authentication failed for user "lb4" (SQLSTATE 28P01)',
    local: false,
  });
  for (const [state, message] of [
    ['28P01', 'an error without a word (SQLSTATE 28P01)'],
    ['?', 'an error without a word'],
  ] as const) {
    server.refuseLogin = [state, ''];
    await t.rejects(probe(server.port, LOGIN).check(1_000), { message });
  }
  server.refuseLogin = undefined;
  server.wantsPassword = true;
  await t.rejects(probe(server.port, { user: 'lb4' }).check(1_000), {
    message: 'the server wants a password, and none is configured',
  });
  await t.rejects(
    probe(server.port, { ...LOGIN, password: undefined, password_file: '/none' }).check(1_000),
    {
      message: 'password_file cannot be read: ENOENT',
      local: true,
    },
  );
});

t.test('hostile answers end the check in words, and nothing else', async t => {
  const messages = fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      // A type, a length that may lie, and something.
      fc
        .tuple(
          fc.constantFrom(...'RZKSETDCNAs1'),
          fc.oneof(fc.nat(40), fc.constantFrom(0, 1, 2 ** 31, 2 ** 32 - 1)),
          fc.uint8Array({ maxLength: 40 }),
        )
        .map(([type, length, body]) => {
          const head = Buffer.alloc(5);
          head.write(type, 0, 'latin1');
          head.writeUInt32BE(length, 1);
          return Buffer.concat([head, body]);
        }),
      fc.constantFrom(
        Buffer.from('R\0\0\0\x08\0\0\0\0'),
        Buffer.from('Z\0\0\0\x05I'),
        Buffer.from('R\0\0\0\x0c\0\0\0\x05abcd'),
      ),
    ),
    { maxLength: 12 },
  );
  let answer: readonly Uint8Array[] = [];
  const port = await serve(t, socket => socket.once('data', () => socket.end(Buffer.concat(answer))));
  await fc.assert(
    fc.asyncProperty(messages, async bytes => {
      answer = bytes;
      const session = probe(port, LOGIN);
      try {
        await session.check(200);
        session.close!();
      } catch (error) {
        if (!(error instanceof ProbeError) || /[^ -~…]/.test(error.message)) throw error;
      }
    }),
    { numRuns: 300 },
  );
});

t.test('an endless answer is cut', async t => {
  const port = await serve(t, socket => {
    const more = (): void => {
      while (!socket.destroyed && socket.write(Buffer.alloc(65_536, 'N\0\0\0\x04', 'latin1')));
    };
    socket.once('data', more).on('drain', more);
  });
  await t.rejects(probe(port, LOGIN).check(2_000), { message: 'the answer is longer than 64 KiB' });
});

t.test('the optional package, where it is missing', async t => {
  const missing = loadPg(() => Promise.reject(new Error("Cannot find package 'pg'")));
  await t.rejects(missing, {
    code: 'LB4_CONFIG',
    message: /needs the optional package "pg": npm install pg/,
  });
});

/** Lags of one replica's answers: [at, received, replayed, behind, streaming]. */
function lags(
  ...rows: readonly (readonly [number, string | null, string | null, string | null, boolean?])[]
) {
  const clock = new ReplicaClock();
  return rows.map(([at, received, replayed, behind, streaming = true]): Finding['lagMs'] => {
    return clock.read({ replica: 'true', received, replayed, behind, streaming: String(streaming) }, at)
      .lagMs;
  });
}

t.test('lag: nothing behind, though no transaction came for an hour', async t => {
  t.strictSame(lags([0, '0/30', '0/30', '3600000']), [0]);
  t.strictSame(lags([0, '0/30', '0/30', null]), [0]);
});

t.test('lag: by the time of the last transaction, where that is all there is', async t => {
  t.strictSame(lags([0, '0/30', '0/20', '1500.5']), [1500.5]);
  t.strictSame(lags([0, '0/30', '0/30', '7000', false]), [7_000], 'the link is down');
  t.strictSame(lags([0, null, '0/30', '7000', false], [0, null, null, null, false]), [7_000, Infinity]);
  t.strictSame(lags([0, '0/30', '0/20', '-80']), [0], 'clocks that differ');
});

t.test('lag: a primary that writes for long without committing', async t => {
  const found = lags(
    [0, '0/100', '0/90', '600000'],
    [2_000, '0/200', '0/180', '602000'],
    [4_000, '0/300', '0/290', '604000'],
    [6_000, '0/400', '0/290', '606000'],
    [8_000, '0/500', '0/290', '608000'],
  );
  t.strictSame(found, [600_000, 2_000, 2_000, 4_000, 6_000]);
});

t.test('lag: samples do not pile up', async t => {
  const clock = new ReplicaClock();
  for (let i = 1; i < 10_000; i++) {
    clock.read(
      { replica: 'true', received: `0/${i.toString(16)}`, replayed: '0/0', behind: '1', streaming: 'true' },
      i,
    );
  }
  t.ok(JSON.stringify(clock, (_, v) => (typeof v === 'bigint' ? '' : v)).length < 20_000);
});

t.test('rows that are none', async t => {
  const clock = new ReplicaClock();
  const unknown = { cluster: undefined, timeline: undefined, position: undefined };
  t.strictSame(clock.read({ replica: 'false' }, 0), { role: 'primary', claim: unknown });
  const told = { replica: 'false', cluster: '7312', walfile: '0000001A0000000100000002', written: '1/2' };
  t.strictSame(clock.read(told, 0).claim, { cluster: '7312', timeline: 26, position: 0x100000002n });
  const odd = { replica: 'false', cluster: 'x', walfile: '1A', written: '-' };
  t.strictSame(clock.read(odd, 0).claim, unknown);
  t.throws(() => clock.read({ replica: 'maybe\n' }, 0), {
    message: 'expected true or false from pg_is_in_recovery(), got "maybe\\n"',
  });
  t.throws(() => clock.read({}, 0), ProbeError);
  t.equal(position('16/B374D848'), 0x16b374d848n);
  for (const text of ['', '1', '/1', '1/123456789', 'g/1', 7, null]) t.equal(position(text), undefined);
});

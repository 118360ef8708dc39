import { createSocket } from 'node:dgram';
import t from 'tap';
import { createProbe } from '../../src/health/probes/index.js';
import { NO_BYTES, settings } from './helpers.js';
import { freePort, local, serveUdp } from './servers.js';

const CONTEXT = { protocol: 'udp', source: '', preamble: NO_BYTES } as const;

function exchange(endpoint: ReturnType<typeof local>, send: string, expect: string, context = CONTEXT) {
  const probe = createProbe(
    settings({ kind: 'exchange', send: Buffer.from(send), expect: Buffer.from(expect) }),
    endpoint,
    context,
  );
  if (probe === undefined) throw new Error('expected a probe');
  return probe;
}

t.test('a reply that contains what is expected', async t => {
  const port = await serveUdp(t, (message, reply) => reply(Buffer.from(`re: ${message} .`)));
  const probe = exchange(local(port), 'ping', 'ping');
  t.equal(probe.description, `exchange udp 127.0.0.1:${port}`);
  await t.resolves(probe.check(1_000));
  await t.rejects(exchange(local(port), 'ping', 'pong').check(1_000), {
    message: 'expected answer containing "pong", got "re: ping ."',
  });
});

t.test('no reply, an empty reply, and nobody there', async t => {
  const silent = await serveUdp(t, () => {});
  await t.rejects(exchange(local(silent), 'ping', 'pong').check(50), {
    message: 'timeout after 50ms: expected answer containing "pong", got nothing',
  });
  const empty = await serveUdp(t, (_message, reply) => reply(NO_BYTES));
  await t.resolves(exchange(local(empty), '', '').check(1_000), 'an empty datagram is an answer');
  await t.rejects(exchange(local(empty), '', 'x').check(1_000), {
    message: 'expected answer containing "x", got an empty datagram',
  });
  await t.rejects(exchange(local(await freePort()), 'ping', 'pong').check(5_000), {
    message: 'port unreachable',
    local: false,
  });
});

t.test('a preamble goes ahead in the same datagram, and the source address is taken', async t => {
  const seen: string[] = [];
  const port = await serveUdp(t, (message, reply, from) => {
    seen.push(`${from.address} ${message}`);
    reply(message);
  });
  const context = { ...CONTEXT, source: '127.0.0.9', preamble: Buffer.from('HEAD ') };
  const send = { kind: 'exchange', send: Buffer.from('ping'), expect: Buffer.from('ping') } as const;
  await createProbe(settings(send), local(port), context)?.check(1_000);
  t.strictSame(seen, ['127.0.0.9 HEAD ping']);
});

t.test('strangers are not listened to', async t => {
  const stranger = createSocket('udp4');
  t.teardown(() => stranger.close());
  const port = await serveUdp(t, (_message, reply, from) => {
    stranger.send('forged pong', from.port, from.address, () =>
      setTimeout(() => reply(Buffer.from('no')), 50),
    );
  });
  await t.rejects(exchange(local(port), 'ping', 'pong').check(1_000), {
    message: 'expected answer containing "pong", got "no"',
  });
});

t.test('IPv6', async t => {
  const port = await serveUdp(t, (message, reply) => reply(message), '::1').catch(() => undefined);
  if (port === undefined) return;
  await t.resolves(exchange({ kind: 'ip', host: '::1', port }, 'ping', 'ping').check(1_000));
});

t.test('an abort ends it at once, also before it is bound', async t => {
  const port = await serveUdp(t, () => {});
  const stop = new AbortController();
  const running = exchange(local(port), 'ping', 'pong').check(60_000, stop.signal);
  stop.abort();
  await t.rejects(running, { message: 'stopped' });
});

t.test('a unix backend cannot be asked over UDP', async t => {
  t.throws(() => exchange({ kind: 'unix', path: '/x' }, '', ''), { code: 'LB4_CONFIG' });
});

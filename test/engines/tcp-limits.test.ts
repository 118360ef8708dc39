import t, { type Test } from 'tap';
import { backend, named, says } from '../fixtures/backends.js';
import { oneService, type Running, startBalancer } from '../fixtures/balancer.js';
import { client } from '../fixtures/clients.js';
import type { TestPeer } from '../fixtures/peer.js';
import { holds, until } from '../fixtures/until.js';

const HELLO = 5;

async function greeted(peer: TestPeer): Promise<TestPeer> {
  await peer.reads(HELLO);
  return peer;
}

async function turnedAway(t: Test, lb: Running, reason: string, detail?: RegExp): Promise<void> {
  const peer = client(t, lb.port());
  await peer.end();
  const line = (await lb.log.finished(1)).at(-1)!;
  t.equal(line.reason, reason);
  if (detail !== undefined) t.match(line.detail, detail);
  t.equal(peer.received, 0);
}

t.test('max_connections of a service turns the next one away, and only while it is full', async t => {
  const server = await backend(t, named('hello'));
  const lb = await startBalancer(t, oneService({ backends: [server.address], max_connections: 2 }));
  const first = await greeted(client(t, lb.port()));
  await greeted(client(t, lb.port()));
  await turnedAway(t, lb, 'limit', /max_connections/);
  first.finish();
  await lb.log.finished(2);
  await greeted(client(t, lb.port()));
  t.equal(server.peers.length, 3);
});

t.test('max_connections of a backend without a queue', async t => {
  const server = await backend(t, named('hello'));
  const lb = await startBalancer(t, oneService({ backends: [`${server.address} max_connections=1`] }));
  const first = await greeted(client(t, lb.port()));
  await turnedAway(t, lb, 'limit', /every backend/);
  first.reset();
  await lb.log.finished(2);
  await greeted(client(t, lb.port()));
});

t.test('a full backend is passed over', async t => {
  const small = await backend(t, named('small'));
  const large = await backend(t, named('large'));
  const lb = await startBalancer(
    t,
    oneService({ backends: [`${small.address} max_connections=1`, large.address], strategy: 'first' }),
  );
  const peers = [];
  for (let i = 0; i < 3; i++) peers.push(await greeted(client(t, lb.port())));
  t.same(
    peers.map(({ text }) => text),
    ['small', 'large', 'large'],
  );
});

t.test('max_connections_per_client counts each address for itself', async t => {
  const server = await backend(t, named('hello'));
  const lb = await startBalancer(
    t,
    oneService({ backends: [server.address], max_connections_per_client: 1 }),
  );
  await greeted(client(t, lb.port()));
  await turnedAway(t, lb, 'limit');
  await greeted(client(t, lb.port(), { from: '127.0.0.2' }));
});

t.test('max_connections of the process: the next one waits until there is room', async t => {
  const server = await backend(t, named('hello'));
  const lb = await startBalancer(t, oneService({ backends: [server.address] }, { max_connections: 2 }));
  const first = await greeted(client(t, lb.port()));
  await greeted(client(t, lb.port()));
  const third = client(t, lb.port());
  await holds('it waits', () => third.received === 0 && third.ending === undefined, 300);
  t.equal(server.peers.length, 2);
  await lb.log.line(/max_connections \(2\) reached/);
  first.finish();
  await greeted(third);
  t.equal(lb.service().active, 2);
});

t.test('queue: first come first served; beyond its size limit; queue_timeout', async t => {
  const server = await backend(t, named('hello'));
  const lb = await startBalancer(
    t,
    oneService({
      backends: [`${server.address} max_connections=1`],
      queue: { size: 2 },
      timeouts: { queue: '1h' },
    }),
  );
  const first = await greeted(client(t, lb.port()));
  const second = client(t, lb.port());
  await until('one waits', () => lb.service().active === 2);
  const third = client(t, lb.port());
  await until('two wait', () => lb.service().active === 3);
  await turnedAway(t, lb, 'limit');
  t.equal(server.peers.length, 1);
  first.finish();
  await greeted(second);
  t.equal(third.received, 0);
  second.finish();
  await greeted(third);
  third.finish();
  const lines = await lb.log.finished(4);
  t.same(
    lines.map(({ reason }) => reason),
    ['limit', 'client_closed', 'client_closed', 'client_closed'],
  );
  await lb.idle();
});

t.test('queue: a client that leaves gives up its place, one that waits too long is closed', async t => {
  const server = await backend(t, named('hello'));
  const lb = await startBalancer(
    t,
    oneService({
      backends: [`${server.address} max_connections=1`],
      queue: { size: 1 },
      timeouts: { queue: '300ms' },
    }),
  );
  await greeted(client(t, lb.port()));
  const leaver = client(t, lb.port());
  await until('it waits', () => lb.service().active === 2);
  leaver.reset();
  t.match(await lb.log.only(), { reason: 'client_reset', attempts: 0, backend: '' });
  const patient = client(t, lb.port());
  await patient.end();
  const line = (await lb.log.finished(2))[1]!;
  t.match(line, { reason: 'queue_timeout', attempts: 0, connect_ms: null });
  t.ok(line.duration_ms >= 295, `${line.duration_ms} ms`);
  t.equal(lb.service().active, 1);
});

for (const key of ['connection_rate', 'connection_rate_per_client'] as const) {
  t.test(`${key} lets a burst in and then one at a time`, async t => {
    const server = await backend(t, says('hello'));
    const lb = await startBalancer(t, oneService({ backends: [server.address], [key]: '5/s' }));
    const started = performance.now();
    const peers = Array.from({ length: 30 }, () => client(t, lb.port()));
    await Promise.all(peers.map(peer => peer.end()));
    const most = 6 + ((performance.now() - started) * 5) / 1000;
    const served = peers.filter(({ received }) => received === HELLO).length;
    t.ok(served >= 5 && served <= most, `${served} served, at most ${most}`);
    for (const peer of peers) peer.finish();
    const reasons = (await lb.log.finished(30)).map(({ reason }) => reason);
    t.equal(reasons.filter(reason => reason === 'limit').length, 30 - served);
    await until('served again', async () => {
      const peer = client(t, lb.port());
      await peer.end();
      peer.socket.destroy();
      return peer.received === HELLO;
    });
  });
}

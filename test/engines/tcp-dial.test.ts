import t from 'tap';
import { backend, echo, freePort, says } from '../fixtures/backends.js';
import { oneService, startBalancer } from '../fixtures/balancer.js';
import { blackHole } from '../fixtures/black-hole.js';
import { ask, client } from '../fixtures/clients.js';
import { descriptors } from '../fixtures/process.js';
import { until } from '../fixtures/until.js';

for (const [how, reason] of [
  ['FIN', 'client_closed'],
  ['RST', 'client_reset'],
] as const) {
  t.test(`a client ${how} while its backend is being dialled ends it at once`, async t => {
    const hole = await blackHole(t);
    const lb = await startBalancer(
      t,
      oneService({ backends: [hole.address], timeouts: { connect: '1h' }, retry: { attempts: 1 } }),
    );
    const before = descriptors();
    const peer = client(t, lb.port());
    await until('the dial', () => lb.service().backends[0]!.active === 1);
    if (how === 'FIN') peer.finish();
    else peer.reset();
    const line = await lb.log.only();
    t.match(line, {
      reason,
      attempts: 1,
      bytes_in: 0,
      bytes_out: 0,
      connect_ms: null,
      backend: hole.address,
    });
    t.equal(lb.service().active, 0);
    t.equal(lb.service().backends[0]!.active, 0, 'dialling no longer counts');
    t.equal(lb.service().backends[0]!.state, 'checking', 'the backend is not to blame');
    await until('the dial is given up', () => descriptors() <= before, 5_000);
  });
}

t.test('a request with FIN at once, sent while the backend is being dialled, gets its answer', async t => {
  const hole = await blackHole(t);
  const server = await backend(t, echo);
  const lb = await startBalancer(
    t,
    oneService({
      backends: [hole.address, server.address],
      strategy: 'first',
      timeouts: { connect: '300ms' },
    }),
  );
  t.equal(await ask(t, lb.port(), 'early request'), 'early request');
  const line = await lb.log.only();
  t.match(line, {
    attempts: 2,
    backend: server.address,
    bytes_in: 13,
    bytes_out: 13,
    reason: 'client_closed',
  });
  t.ok(line.duration_ms >= 295, 'after the first backend had its time');
  t.equal(server.peers[0]!.text, 'early request');
});

t.test('a black-holed backend alone: connect_timeout', async t => {
  const hole = await blackHole(t);
  const lb = await startBalancer(t, oneService({ backends: [hole.address], timeouts: { connect: '200ms' } }));
  const peer = client(t, lb.port());
  await peer.end();
  t.equal(peer.received, 0);
  t.match(await lb.log.only(), { reason: 'connect_timeout', attempts: 1, backend: hole.address });
});

t.test('a backend that accepts late is used when its dial comes through', async t => {
  const hole = await blackHole(t);
  const lb = await startBalancer(t, oneService({ backends: [hole.address] }));
  const peer = client(t, lb.port());
  await until('the dial', () => lb.service().backends[0]!.active === 1);
  hole.open();
  await until('connected', () => lb.service().backends[0]!.total === 1);
  peer.reset();
  t.match(await lb.log.only(), { reason: 'client_reset', attempts: 1, bytes_in: 0 });
});

t.test('a refused backend: the next one gets the connection', async t => {
  const server = await backend(t, says('here'));
  const gone = `127.0.0.1:${await freePort()}`;
  const lb = await startBalancer(
    t,
    oneService({
      backends: [gone, server.address],
      strategy: 'first',
      health: { kind: 'none', passive_failures: 0 },
    }),
  );
  for (let i = 0; i < 5; i++) t.equal(await ask(t, lb.port()), 'here');
  for (const line of await lb.log.finished(5)) t.match(line, { attempts: 2, backend: server.address });
});

t.test('every backend refuses: one attempt each, then connect_failed', async t => {
  const gone = [await freePort(), await freePort(), await freePort(), await freePort()];
  const lb = await startBalancer(
    t,
    oneService({ backends: gone.map(port => `127.0.0.1:${port}`), retry: { attempts: 3 } }),
  );
  const peer = client(t, lb.port());
  await peer.end();
  t.match(await lb.log.only(), { reason: 'connect_failed', attempts: 3, detail: 'connection refused' });
  t.equal(
    lb.service().backends.reduce((sum, { active }) => sum + active, 0),
    0,
  );
});

t.test('fewer backends than attempts: each is tried once', async t => {
  const lb = await startBalancer(t, oneService({ backends: [`127.0.0.1:${await freePort()}`] }));
  await client(t, lb.port()).end();
  t.match(await lb.log.only(), { reason: 'connect_failed', attempts: 1 });
});

t.test('a backend that accepts and closes: the client sees the end, nothing is tried again', async t => {
  const closing = await backend(t, peer => peer.finish());
  const other = await backend(t, says('other'));
  const lb = await startBalancer(
    t,
    oneService({ backends: [closing.address, other.address], strategy: 'first' }),
  );
  const peer = client(t, lb.port());
  t.equal(await peer.end(), 'FIN');
  peer.finish();
  t.match(await lb.log.only(), {
    reason: 'backend_closed',
    attempts: 1,
    bytes_out: 0,
    backend: closing.address,
  });
  t.equal(other.peers.length, 0);
});

t.test('1,000 simultaneous slow dials are level under least-connections', async t => {
  const holes = await Promise.all([1, 2, 3, 4].map(() => blackHole(t)));
  const lb = await startBalancer(
    t,
    oneService({ backends: holes.map(({ address }) => address), timeouts: { connect: '1h' } }),
  );
  const clients = Array.from({ length: 1000 }, () => client(t, lb.port()));
  const active = (): number[] => lb.service().backends.map(one => one.active);
  await until('1,000 dials', () => active().reduce((a, b) => a + b) === 1000);
  t.same(active(), [250, 250, 250, 250]);
  for (const peer of clients) peer.reset();
  await lb.idle();
  t.same(active(), [0, 0, 0, 0]);
  const lines = await lb.log.finished(1000);
  t.same([...new Set(lines.map(({ reason }) => reason))], ['client_reset']);
});

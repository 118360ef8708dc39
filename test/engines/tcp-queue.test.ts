import t from 'tap';
import { backend, freePort, named } from '../fixtures/backends.js';
import { oneService, type Running, startBalancer } from '../fixtures/balancer.js';
import { blackHole } from '../fixtures/black-hole.js';
import { client } from '../fixtures/clients.js';
import { until } from '../fixtures/until.js';

const HELLO = 5;
const PATIENT = { queue: { size: 100 }, timeouts: { queue: '1h' } } as const;

const waiting = (lb: Running, count: number) =>
  until(`${count} wait`, () => lb.service().active === count && lb.service().backends[0]!.active === 0);

// Two threads where the engine has them: whoever brings a backend back knows nothing of who waits where.
for (const threads of [1, 2]) {
  t.test(`while no backend is usable connections wait, ${threads} threads`, async t => {
    const server = await backend(t, named('hello'));
    const lb = await startBalancer(t, oneService({ backends: [server.address], ...PATIENT }, { threads }));
    lb.balancer.setState('main', server.address, 'maint');
    const peers = Array.from({ length: 20 }, () => client(t, lb.port()));
    await waiting(lb, 20);
    t.equal(server.peers.length, 0);
    lb.balancer.setState('main', server.address, 'ready');
    for (const peer of peers) {
      await peer.reads(HELLO);
      peer.finish();
    }
    const lines = await lb.log.finished(20);
    t.ok(lines.every(({ reason, attempts }) => reason === 'client_closed' && attempts === 1));
    await lb.idle();
  });
}

t.test('a backend that refuses, and is not known to be down: connections wait for it', async t => {
  const port = await freePort();
  const lb = await startBalancer(
    t,
    oneService({
      backends: [`127.0.0.1:${port}`],
      ...PATIENT,
      health: { kind: 'none', passive_failures: 0 },
    }),
  );
  const peers = [client(t, lb.port()), client(t, lb.port())];
  await waiting(lb, 2);
  const server = await backend(t, named('hello'), { port });
  for (const peer of peers) {
    await peer.reads(HELLO);
    peer.finish();
  }
  t.equal(server.peers.length, 2);
  const lines = await lb.log.finished(2);
  t.ok(lines.every(({ reason, attempts }) => reason === 'client_closed' && attempts > 1));
});

t.test('a backend that is marked down by those who are refused: they wait until it is up', async t => {
  const port = await freePort();
  const health = { kind: 'tcp', interval: '100ms', on_down: 'close', passive_failures: 3, fall: 9 } as const;
  const lb = await startBalancer(t, oneService({ backends: [`127.0.0.1:${port}`], ...PATIENT, health }));
  const peers = Array.from({ length: 5 }, () => client(t, lb.port()));
  await until('it is down', () => lb.service().backends[0]!.state === 'down');
  await waiting(lb, 5);
  await backend(t, named('hello'), { port });
  for (const peer of peers) {
    await peer.reads(HELLO);
    peer.finish();
  }
  const lines = await lb.log.finished(5);
  t.ok(lines.every(({ reason }) => reason === 'client_closed'));
});

t.test('not for longer than timeouts.queue, and the log says what they waited for', async t => {
  const port = await freePort();
  const lb = await startBalancer(
    t,
    oneService({ backends: [`127.0.0.1:${port}`], queue: { size: 9 }, timeouts: { queue: '300ms' } }),
  );
  await client(t, lb.port()).end();
  const line = await lb.log.only();
  t.match(line, { reason: 'queue_timeout', detail: 'connection refused', connect_ms: null });
  t.ok(line.duration_ms >= 295, `${line.duration_ms} ms`);
  lb.balancer.setState('main', `127.0.0.1:${port}`, 'maint');
  await client(t, lb.port()).end();
  const next = (await lb.log.finished(2))[1];
  t.match(next, { reason: 'queue_timeout', detail: 'no backend is usable', attempts: 0 });
});

t.test('without a queue they fail at once', async t => {
  const port = await freePort();
  const lb = await startBalancer(t, oneService({ backends: [`127.0.0.1:${port}`] }));
  await client(t, lb.port()).end();
  t.match(await lb.log.only(), { reason: 'connect_failed', attempts: 1 });
  lb.balancer.setState('main', `127.0.0.1:${port}`, 'maint');
  await client(t, lb.port()).end();
  t.match((await lb.log.finished(2))[1], { reason: 'no_backend' });
});

t.test('a dial that hangs ends when its backend goes down, and the connection goes on elsewhere', async t => {
  const hole = await blackHole(t);
  const server = await backend(t, named('hello'));
  const lb = await startBalancer(
    t,
    oneService({
      strategy: 'first',
      backends: [hole.address, server.address],
      timeouts: { connect: '1h' },
      health: { kind: 'tcp', interval: '50ms', timeout: '200ms', fall: 2, on_down: 'close' },
    }),
  );
  const peer = client(t, lb.port());
  await peer.reads(HELLO);
  peer.finish();
  t.match(await lb.log.only(), {
    reason: 'client_closed',
    backend: server.address,
    attempts: 2,
    detail: 'an earlier attempt: the backend went down',
  });
});

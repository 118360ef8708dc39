import t, { type Test } from 'tap';
import { backend, echo, freePort, named, says, type TestBackend } from '../fixtures/backends.js';
import { oneService, type Running, startBalancer } from '../fixtures/balancer.js';
import { ask, client } from '../fixtures/clients.js';
import { holds, until } from '../fixtures/until.js';

const QUICK = { kind: 'tcp', interval: '50ms', timeout: '1s', jitter: 0 } as const;

function state(lb: Running, { address }: Pick<TestBackend, 'address'>): string {
  return lb.service().backends.find(one => one.id === address)!.state;
}

function becomes(lb: Running, who: Pick<TestBackend, 'address'>, wanted: string): Promise<unknown> {
  return until(`${who.address} ${wanted}`, () => state(lb, who) === wanted);
}

t.test('all down, then one up', async t => {
  const ports = [await freePort(), await freePort()];
  const gone = ports.map(port => ({ address: `127.0.0.1:${port}` }));
  const lb = await startBalancer(
    t,
    oneService({ backends: gone.map(({ address }) => address), health: { ...QUICK, fall: 1, rise: 1 } }),
  );
  for (const one of gone) await becomes(lb, one, 'down');
  const turnedAway = client(t, lb.port());
  await turnedAway.end();
  t.match(await lb.log.only(), { reason: 'no_backend', attempts: 0, connect_ms: null });
  const back = await backend(t, says('back'), { port: ports[1]! });
  await becomes(lb, back, 'up');
  for (let i = 0; i < 4; i++) t.equal(await ask(t, lb.port()), 'back');
});

async function pair(t: Test): Promise<{ main: TestBackend; spare: TestBackend; lb: Running }> {
  const main = await backend(t, says('main'));
  const spare = await backend(t, says('spare'));
  const lb = await startBalancer(
    t,
    oneService({
      backends: [main.address, `${spare.address} backup`],
      health: { ...QUICK, fall: 2, rise: 2 },
    }),
  );
  await becomes(lb, main, 'up');
  await becomes(lb, spare, 'up');
  return { main, spare, lb };
}

t.test('failover to a backup and failback, without a failed connection', async t => {
  const { main, lb } = await pair(t);
  for (let i = 0; i < 4; i++) t.equal(await ask(t, lb.port()), 'main');
  await main.stop();
  t.equal(await ask(t, lb.port()), 'spare', 'the very next one');
  await becomes(lb, main, 'down');
  for (let i = 0; i < 4; i++) t.equal(await ask(t, lb.port()), 'spare');
  await backend(t, says('main again'), { port: main.port });
  await becomes(lb, main, 'up');
  for (let i = 0; i < 4; i++) t.equal(await ask(t, lb.port()), 'main again');
  const turns = lb.log.all.filter(line => line.backend === main.address && line.from !== undefined);
  t.same(
    turns.map(({ from, to }) => `${String(from)} ${String(to)}`),
    ['checking up', 'up down', 'down up'],
    'each transition is logged once',
  );
});

t.test('flapping F S F S, and F F S, with fall 3 stays up; F F F goes down', async t => {
  let probes = 0;
  let dead = false;
  const server = await backend(t, peer => {
    const good = !dead && 'SFSFF'[probes++ % 5] === 'S';
    peer.finish(good ? 'PONG' : 'sorry');
  });
  const lb = await startBalancer(
    t,
    oneService({
      backends: [server.address],
      health: { ...QUICK, kind: 'exchange', expect: 'PONG', fall: 3, interval: '20ms' },
    }),
  );
  await becomes(lb, server, 'up');
  await holds('it stays up', () => state(lb, server) === 'up', 1_000);
  t.ok(probes >= 10, `${probes} probes`);
  dead = true;
  await becomes(lb, server, 'down');
  const line = await lb.log.line('backend is down');
  t.match(line, { from: 'up', to: 'down', reason: /^3 probes failed/ });
});

t.test('passive failures mark a backend down at once, before any probe', async t => {
  const main = await backend(t, says('main'));
  const other = await backend(t, says('other'));
  const lb = await startBalancer(
    t,
    oneService({
      backends: [main.address, other.address],
      strategy: 'first',
      health: { ...QUICK, interval: '1h', passive_failures: 2 },
    }),
  );
  await becomes(lb, main, 'up');
  await main.stop();
  t.equal(await ask(t, lb.port()), 'other');
  t.equal(state(lb, main), 'up', 'one failure is not enough');
  t.equal(await ask(t, lb.port()), 'other');
  await becomes(lb, main, 'down');
  t.equal(lb.service().backends[0]!.down_reason, '2 connections failed: connection refused');
  t.equal(await ask(t, lb.port()), 'other');
  const lines = await lb.log.finished(3);
  t.same(
    lines.map(({ attempts }) => attempts),
    [2, 2, 1],
  );
});

for (const on_down of ['keep', 'close'] as const) {
  t.test(`on_down = ${on_down}: open connections of a backend that went down`, async t => {
    const server = await backend(t, named('hello'));
    const lb = await startBalancer(
      t,
      oneService({ backends: [server.address], health: { ...QUICK, fall: 2, on_down } }),
    );
    const peer = client(t, lb.port());
    await peer.reads(5);
    server.deafen();
    await becomes(lb, server, 'down');
    if (on_down === 'close') {
      await peer.end();
      t.match(await lb.log.only(), { reason: 'backend_down', backend: server.address, bytes_out: 5 });
      await lb.idle();
    } else {
      await peer.write(' again');
      await peer.reads(11);
      t.equal(peer.text, 'hello again');
      t.equal(lb.service().active, 1);
    }
  });
}

t.test('a disabled backend gets nothing', async t => {
  const on = await backend(t, says('on'));
  const off = await backend(t, echo);
  const lb = await startBalancer(
    t,
    oneService({ backends: [{ address: off.address, disabled: true }, on.address] }),
  );
  for (let i = 0; i < 6; i++) t.equal(await ask(t, lb.port()), 'on');
  t.equal(state(lb, off), 'maintenance');
  t.equal(off.peers.length, 0);
});

import t, { type Test } from 'tap';
import { backend, named } from '../fixtures/backends.js';
import { oneService, type Running, startBalancer } from '../fixtures/balancer.js';
import { client } from '../fixtures/clients.js';
import type { TestPeer } from '../fixtures/peer.js';
import { holds, until } from '../fixtures/until.js';

// Two threads, whatever the environment says: the net engine takes one, and both keep the same promises.
const TWO = { threads: 2 };
const HELLO = 5;

/** The kernel deals connections out to the threads; so many of them reach both. Who was greeted, when all have been seen to. */
async function crowd(t: Test, lb: Running, size: number): Promise<TestPeer[]> {
  const peers = Array.from({ length: size }, () => client(t, lb.port()));
  await Promise.all(
    peers.map(peer =>
      until('greeted or turned away', () => peer.received === HELLO || peer.ending !== undefined),
    ),
  );
  return peers.filter(({ received }) => received === HELLO);
}

t.test('max_connections_per_client holds for all threads together', async t => {
  const server = await backend(t, named('hello'));
  const lb = await startBalancer(
    t,
    oneService({ backends: [server.address], max_connections_per_client: 5 }, TWO),
  );
  const inside = await crowd(t, lb, 40);
  t.equal(inside.length, 5);
  for (const peer of inside) peer.finish();
  await lb.idle();
  t.equal((await crowd(t, lb, 40)).length, 5, 'and all places come back');
});

t.test('connection_rate holds for all threads together', async t => {
  const server = await backend(t, named('hello'));
  const lb = await startBalancer(t, oneService({ backends: [server.address], connection_rate: '4/s' }, TWO));
  const started = performance.now();
  const { length } = await crowd(t, lb, 40);
  const most = 4 + ((performance.now() - started) * 4) / 1000;
  t.ok(length >= 4 && length <= most, `${length} served, at most ${most}`);
});

t.test('a reload brings limits for each client, and changes them', async t => {
  const server = await backend(t, named('hello'));
  const backends = [server.address];
  const lb = await startBalancer(t, oneService({ backends }, TWO));
  const before = await crowd(t, lb, 10);
  t.equal(before.length, 10);
  await lb.balancer.apply(oneService({ backends, max_connections_per_client: 3 }, TWO));
  const first = await crowd(t, lb, 20);
  t.equal(first.length, 3, 'those from before are not counted');
  await lb.balancer.apply(oneService({ backends, max_connections_per_client: 5 }, TWO));
  const second = await crowd(t, lb, 20);
  t.equal(second.length, 2, 'those from before this change are');
  for (const peer of [...before, ...first, ...second]) peer.finish();
  await lb.idle();
  t.equal((await crowd(t, lb, 20)).length, 5);
});

t.test('the last place of the process is given once', async t => {
  const server = await backend(t, named('hello'));
  const lb = await startBalancer(
    t,
    oneService({ backends: [server.address] }, { ...TWO, max_connections: 5 }),
  );
  const peers = Array.from({ length: 40 }, () => client(t, lb.port()));
  const inside = () => peers.filter(({ received, socket }) => received === HELLO && !socket.destroyed);
  for (let served = 5; served <= 40; served += 5) {
    await until('five of them', () => inside().length === 5);
    if (served === 5) await holds('no more', () => server.peers.length === 5, 200);
    t.equal(lb.service().active, 5);
    for (const peer of inside()) {
      peer.finish();
      peer.socket.destroy();
    }
  }
  await lb.idle();
  t.equal(server.peers.length, 40, 'all were served in the end');
  t.ok(peers.every(({ received }) => received === HELLO));
});

t.test('a queue has its size, and its order, over all threads', async t => {
  const server = await backend(t, named('hello'));
  const lb = await startBalancer(
    t,
    oneService(
      {
        backends: [`${server.address} max_connections=2`],
        queue: { size: 10 },
        timeouts: { queue: '1h' },
      },
      TWO,
    ),
  );
  const peers = [];
  for (let open = 1; open <= 12; open++) {
    peers.push(client(t, lb.port()));
    await until(`${open} there`, () => lb.service().active === open);
  }
  const rest = await crowd(t, lb, 20);
  t.equal(rest.length, 0, 'the eleventh to wait is turned away, in whatever thread');
  for (const [i, peer] of peers.entries()) {
    await until(`number ${i + 1} is served`, () => peer.received === HELLO);
    const early = peers.slice(i + 2).filter(({ received }) => received > 0);
    t.equal(early.length, 0, 'none of those behind');
    peer.finish();
    peer.socket.destroy();
  }
  await lb.idle();
  t.equal(server.peers.length, 12);
});

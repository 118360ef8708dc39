import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { isSupported } from '../../src/engines/epoll/libc.js';
import { backend, echo, sink } from '../fixtures/backends.js';
import { noise } from '../fixtures/bytes.js';
import { ask, client } from '../fixtures/clients.js';
import { BACKEND, onLoopback, Relays, TIMEOUTS } from '../fixtures/hand-over.js';
import { descriptors } from '../fixtures/process.js';
import { until } from '../fixtures/until.js';

const EPOLL = { skip: !isSupported() && 'not on this machine' };
t.test('while two processes have a connection, its ends reach the other side at once', EPOLL, async t => {
  const server = await backend(t, echo);
  const relays = await Relays.start(t, 2, { backends: [onLoopback(server.port)] });
  const peers = [];
  for (let i = 0; i < 6; i++) {
    const peer = client(t, relays.port);
    await peer.write('x');
    await peer.reads(1);
    peers.push(peer);
  }
  const before = descriptors();
  const next = await relays.standby(2);
  await next.adopt(await relays.plane.handover.copy());
  const [closes, resets, dropped, cut, ...others] = peers;
  closes!.finish();
  t.equal(await closes!.end(), 'FIN');
  resets!.reset();
  t.equal(await server.peers[1]!.end(), 'RST');
  server.peers[2]!.reset();
  t.equal(await dropped!.end(), 'RST');
  server.peers[3]!.finish();
  t.equal(await cut!.end(), 'FIN');
  cut!.finish();
  await until('two are left', () => relays.active() === 2);
  // The other process dies: nothing was lost, and nothing is shared any more.
  await next.plane.destroy('shutdown');
  next.close();
  await relays.plane.handover.thaw();
  for (const peer of others) {
    await peer.write('y');
    await peer.reads(2);
  }
  t.equal(await ask(t, relays.port, 'new'), 'new');
  t.match(await relays.handOver(1, async () => void others[0]!.reset()), { connections: 1 });
  t.equal(relays.active(BACKEND), 1);
  others[1]!.finish();
  t.equal(await others[1]!.end(), 'FIN');
  await relays.idle();
  t.equal(relays.finished.length, 7);
  t.ok(descriptors() <= before, `${before} descriptors before, ${descriptors()} now`);
});

t.test('after a freeze that came to nothing all goes on', EPOLL, async t => {
  const server = await backend(t, echo);
  const relays = await Relays.start(t, 2, { backends: [onLoopback(server.port)] });
  const peers = Array.from({ length: 10 }, () => client(t, relays.port));
  for (const peer of peers) {
    await peer.write('1');
    await peer.reads(1);
  }
  const bytes = noise(4 << 20);
  for (let round = 0; round < 3; round++) {
    for (const peer of peers.slice(5)) void peer.write(bytes);
    await relays.plane.handover.copy();
    await relays.plane.handover.freeze();
    await peers[0]!.write('2');
    await sleep(30);
    t.equal(peers[0]!.received, 1 + round, 'nothing moves');
    await relays.plane.handover.thaw();
    await peers[0]!.reads(2 + round);
  }
  for (const peer of peers.slice(5)) {
    await peer.reads(1 + 3 * bytes.length);
    peer.finish();
  }
  for (const peer of peers.slice(0, 5)) peer.finish();
  await relays.idle();
  t.equal(relays.finished.length, 10);
});

t.test('clients are counted on', EPOLL, async t => {
  const server = await backend(t, echo);
  const relays = await Relays.start(t, 1, {
    backends: [onLoopback(server.port)],
    limits: {
      maxConnections: 0,
      maxConnectionsPerClient: 2,
      connectionRate: 0,
      connectionRatePerClient: 0,
      allow: [],
      deny: [],
    },
  });
  const peers = [client(t, relays.port), client(t, relays.port)];
  for (const peer of peers) {
    await peer.write('x');
    await peer.reads(1);
  }
  await relays.handOver(1);
  t.equal(await client(t, relays.port).end(), 'RST', 'a third is one too many');
  peers[0]!.finish();
  await peers[0]!.end();
  t.equal(await ask(t, relays.port, 'y'), 'y');
  peers[1]!.finish();
  await relays.idle();
});

t.test('idle connections are still ended when their time is over', EPOLL, async t => {
  const server = await backend(t, sink);
  const relays = await Relays.start(t, 1, {
    backends: [onLoopback(server.port)],
    timeouts: { ...TIMEOUTS, idle: 1_000 },
  });
  const next = await relays.standby(1);
  const peer = client(t, relays.port);
  const started = performance.now();
  await until('it is connected', () => server.open === 1);
  await relays.handOver(next);
  await peer.end();
  const lived = performance.now() - started;
  t.ok(lived >= 950 && lived < 1_900, `${lived} ms: the time before counts`);
  await relays.idle();
  t.match(relays.finished, [{ reason: 'idle_timeout' }]);
});

t.test('twenty hand-overs leave nothing open', EPOLL, async t => {
  const server = await backend(t, echo);
  const relays = await Relays.start(t, 2, { backends: [onLoopback(server.port)] });
  const peers = Array.from({ length: 10 }, () => client(t, relays.port));
  let before = 0;
  for (let i = 0; i < 20; i++) {
    for (const peer of peers) {
      await peer.write('x');
      await peer.reads(i + 1);
    }
    t.match(await relays.handOver(1 + (i % 2)), { connections: 10 });
    if (i === 1) before = descriptors();
  }
  t.equal(descriptors(), before);
  for (const peer of peers) {
    peer.finish();
    await peer.end();
  }
  await relays.idle();
  t.equal(relays.finished.length, 10);
});

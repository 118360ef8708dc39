import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { isSupported } from '../../src/engines/epoll/libc.js';
import { backend, echo } from '../fixtures/backends.js';
import { blackHole } from '../fixtures/black-hole.js';
import { noise, sha } from '../fixtures/bytes.js';
import { ask, client } from '../fixtures/clients.js';
import { BACKEND, onLoopback, Relays, TIMEOUTS } from '../fixtures/hand-over.js';
import type { TestPeer } from '../fixtures/peer.js';
import { until } from '../fixtures/until.js';

const EPOLL = { skip: !isSupported() && 'not on this machine' };
t.test('bytes that wait for a slow reader go along, and more that come behind them', EPOLL, async t => {
  const bytes = noise(12 << 20);
  const server = await backend(t, peer => peer.finish(bytes));
  const relays = await Relays.start(t, 1, { backends: [onLoopback(server.port)] });
  const slow = client(t, relays.port, { paused: true });
  await until('nobody takes any more', async () => {
    const before = relays.total(BACKEND, 'bytesOut');
    await sleep(50);
    await relays.plane.settle();
    return before > 0 && relays.total(BACKEND, 'bytesOut') === before;
  });
  t.ok(relays.total(BACKEND, 'bytesOut') < bytes.length, 'the reader holds it up');
  for (const threads of [2, 1]) t.match(await relays.handOver(threads), { connections: 1, lost: [] });
  slow.socket.resume();
  t.equal(await slow.end(), 'FIN');
  t.equal(slow.received, bytes.length);
  t.equal(slow.sha, sha(bytes));
  slow.finish();
  await relays.idle();
  t.match(relays.finished, [{ bytesIn: 0, bytesOut: bytes.length, reason: 'backend_closed' }]);
});

const PIECE = 30_000;

/** Send in pieces that never fill a buffer, each once the one before was passed on, until `most` bytes or one that was not. */
async function feed(relays: Relays, peer: TestPeer, bytes: Uint8Array, most: number): Promise<number> {
  const passed = async (): Promise<number> => {
    await relays.plane.settle();
    return relays.total(BACKEND, 'bytesOut');
  };
  for (let sent = 0; ; ) {
    if (sent >= most) return sent;
    await peer.write(bytes.subarray(sent, sent + PIECE));
    sent += PIECE;
    const arrived = until('it to be passed on', async () => (await passed()) === sent, 1_000);
    if (
      !(await arrived.then(
        () => true,
        () => false,
      ))
    )
      return sent;
  }
}

t.test('bytes that wait in memory, and those behind them that were not read', EPOLL, async t => {
  const bytes = noise(30_000_000, 5);
  const server = await backend(t, () => {});
  const relays = await Relays.start(t, 2, { backends: [onLoopback(server.port)] });
  const slow = client(t, relays.port, { paused: true });
  const peer = await until('the connection', () => server.peers[0]);
  const sent = await feed(relays, peer, bytes, bytes.length);
  t.ok(sent < bytes.length, 'the reader holds it up');
  for (const threads of [1, 2]) t.match(await relays.handOver(threads), { connections: 1 });
  slow.socket.resume();
  peer.finish();
  t.equal(await slow.end(), 'FIN');
  t.equal(slow.sha, sha(bytes.subarray(0, sent)));
});

t.test('a reset that waits for the kernel to deliver what was sent', EPOLL, async t => {
  const bytes = noise(1_500_000, 6);
  const server = await backend(t, () => {});
  const relays = await Relays.start(t, 1, { backends: [onLoopback(server.port)] });
  const slow = client(t, relays.port, { paused: true });
  const peer = await until('the connection', () => server.peers[0]);
  t.equal(await feed(relays, peer, bytes, bytes.length), bytes.length);
  peer.reset();
  await until('the backend is gone', () => server.open === 0);
  for (const threads of [2, 1]) t.match(await relays.handOver(threads), { connections: 1 });
  slow.socket.resume();
  t.equal(await slow.end(), 'RST');
  t.equal(slow.sha, sha(bytes), 'every byte before it');
  await relays.idle();
  t.match(relays.finished, [{ reason: 'backend_reset' }]);
});

t.test('bulk traffic in full flow, both ways', EPOLL, async t => {
  const bytes = noise(48 << 20, 7);
  const server = await backend(t, peer => peer.finish(bytes));
  const relays = await Relays.start(t, 2, { backends: [onLoopback(server.port)] });
  const peer = client(t, relays.port);
  peer.finish(bytes);
  for (const threads of [1, 2, 3]) {
    await until('some more of it', () => (server.peers[0]?.received ?? 0) > 0);
    await relays.handOver(threads);
  }
  t.equal(await peer.end(), 'FIN');
  const [other] = server.peers;
  await other!.end();
  t.strictSame([peer.sha, other!.sha], [sha(bytes), sha(bytes)]);
  await relays.idle();
  t.match(relays.finished, [{ bytesIn: bytes.length, bytesOut: bytes.length }]);
});

t.test('a backend that has sent FIN hears the client still', EPOLL, async t => {
  const server = await backend(t, peer => peer.finish('greeting'));
  const relays = await Relays.start(t, 1, { backends: [onLoopback(server.port)] });
  const peer = client(t, relays.port);
  t.equal(await peer.end(), 'FIN');
  t.match(await relays.handOver(2), { connections: 1 });
  await peer.write('still here');
  await until('what the client says', () => server.peers[0]!.text === 'still here');
  peer.finish();
  t.equal(await server.peers[0]!.end(), 'FIN');
  await relays.idle();
  t.match(relays.finished, [{ reason: 'backend_closed', bytesIn: 10, bytesOut: 8 }]);
});

t.test('a client that has sent FIN gets its answer', EPOLL, async t => {
  const server = await backend(t, () => {});
  const relays = await Relays.start(t, 2, { backends: [onLoopback(server.port)] });
  const peer = client(t, relays.port);
  peer.finish('question');
  await until('the question', () => server.peers[0]?.ending === 'FIN');
  await relays.handOver(1);
  server.peers[0]!.finish('answer');
  t.equal(await peer.end(), 'FIN');
  t.equal(peer.text, 'answer');
  await relays.idle();
  t.match(relays.finished, [{ reason: 'client_closed', bytesIn: 8, bytesOut: 6 }]);
});

t.test('half a PROXY header', EPOLL, async t => {
  const server = await backend(t, echo);
  const relays = await Relays.start(t, 1, {
    backends: [onLoopback(server.port)],
    proxyProtocol: { accept: 'any', acceptFrom: ['127.0.0.0/8'], send: 'v1' },
  });
  // There are five seconds for the whole header.
  const next = await relays.standby(2);
  const peer = client(t, relays.port);
  await peer.write('PROXY TCP4 10.1.2.3 ');
  await until('it is there', () => relays.active() === 1);
  await peer.write('10.9.9.9 ');
  t.match(await relays.handOver(next), { connections: 1 });
  await peer.write('4711 80\r\nhello');
  const line = 'PROXY TCP4 10.1.2.3 10.9.9.9 4711 80\r\n';
  await peer.reads(line.length + 5);
  t.equal(peer.text, `${line}hello`);
  t.match(await relays.handOver(1), { connections: 1 });
  peer.finish();
  await relays.idle();
  t.equal(String(relays.finished[0]!.client), '10.1.2.3:4711', 'the client is who the header says');
});

t.test('those in a queue wait on, in their order', EPOLL, async t => {
  const server = await backend(t, echo);
  const relays = await Relays.start(t, 2, {
    backends: [{ ...onLoopback(server.port), maxConnections: 1 }],
  });
  const peers = [];
  for (let i = 0; i < 8; i++) {
    const peer = client(t, relays.port);
    await peer.write(String(i));
    await until('it is there', () => relays.active() === i + 1);
    peers.push(peer);
  }
  await peers[0]!.reads(1);
  t.match(await relays.handOver(3), { connections: 8 });
  t.equal(relays.active(BACKEND), 1);
  const served: string[] = [];
  for (let i = 0; i < 8; i++) {
    if (i === 4) t.match(await relays.handOver(2), { connections: 4 });
    await peers[i]!.reads(1);
    t.equal(server.open, 1);
    served.push(server.peers.at(-1)!.text);
    peers[i]!.finish();
    await peers[i]!.end();
  }
  t.strictSame(served, ['0', '1', '2', '3', '4', '5', '6', '7']);
  await relays.idle();
  t.equal(relays.active(BACKEND), 0);
});

t.test(
  'a connection whose backend is being dialled: its time runs on, then the next is tried',
  EPOLL,
  async t => {
    const hole = await blackHole(t);
    const server = await backend(t, echo);
    const relays = await Relays.start(t, 1, {
      backends: [onLoopback(hole.port), onLoopback(server.port)],
      timeouts: { ...TIMEOUTS, connect: 2_000 },
    });
    const next = await relays.standby(2);
    const peer = client(t, relays.port);
    const started = performance.now();
    await peer.write('hello');
    await until('it is dialling', () => relays.active(BACKEND) === 1);
    const sockets = dialling(hole.port);
    t.ok(sockets.length > 0);
    t.match(await relays.handOver(next), { connections: 1 });
    t.equal(relays.active(BACKEND), 1, 'it dials still');
    t.strictSame(dialling(hole.port), sockets, 'with the same socket');
    await peer.reads(5);
    t.ok(performance.now() - started >= 1_990, 'not before its time was over');
    t.equal(relays.active(BACKEND), 0);
    t.equal(relays.active(BACKEND + 1), 1);
    peer.finish();
    await relays.idle();
  },
);

t.test('a dial that succeeds behind the hand-over, and one that is refused', EPOLL, async t => {
  const hole = await blackHole(t);
  const relays = await Relays.start(t, 2, { backends: [onLoopback(hole.port)], attempts: 1 });
  const peer = client(t, relays.port);
  const gone = client(t, relays.port);
  await until('both are dialling', () => relays.active(BACKEND) === 2);
  t.match(await relays.handOver(1), { connections: 2 });
  gone.finish();
  t.equal(await gone.end(), 'FIN', 'a client that goes away ends its dial');
  hole.open();
  await until('it is connected', () => relays.total(BACKEND, 'connections') === 1);
  t.match(await relays.handOver(1), { connections: 1 });
  peer.socket.destroy();
  await relays.idle();
});

t.test('a reset that waits behind bytes comes behind them', EPOLL, async t => {
  const bytes = noise(16 << 20, 3);
  const server = await backend(t, peer => void peer.socket.write(bytes));
  const relays = await Relays.start(t, 1, { backends: [onLoopback(server.port)] });
  const slow = client(t, relays.port, { paused: true });
  await until('nobody takes any more', async () => {
    const before = relays.total(BACKEND, 'bytesOut');
    await sleep(50);
    await relays.plane.settle();
    return before > 0 && relays.total(BACKEND, 'bytesOut') === before;
  });
  server.peers[0]!.reset();
  await until('the backend is gone', () => server.open === 0);
  t.match(await relays.handOver(2), { connections: 1 });
  t.match(await relays.handOver(1), { connections: 1 });
  slow.socket.resume();
  t.equal(await slow.end(), 'RST');
  await relays.idle();
  t.match(relays.finished, [{ reason: 'backend_reset' }]);
  t.equal(slow.received, relays.finished[0]!.bytesOut, 'all that was taken from the backend');
  t.equal(slow.sha, sha(bytes.subarray(0, slow.received)));
});

t.test('IPv6 and unix sockets, at both ends', EPOLL, async t => {
  // The path of a socket is short.
  const dir = mkdtempSync(join(tmpdir(), 'lb4-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const v6 = await backend(t, echo, { host: '::1' });
  const unix = await backend(t, echo, { path: join(dir, 'backend') });
  t.equal(unix.port, 0);
  const path = join(dir, 'front');
  const relays = await Relays.start(t, 2, {
    listen: [onLoopback(0, '::1'), { kind: 'unix', path }],
    backends: [onLoopback(v6.port, '::1'), { kind: 'unix', path: join(dir, 'backend') }],
  });
  const targets = [{ host: '::1', port: relays.port }, { path }];
  const peers = [0, 1, 2, 3].map(i => client(t, targets[i % 2]!));
  for (const peer of peers) {
    await peer.write('before');
    await peer.reads(6);
  }
  for (const threads of [1, 3, 2]) {
    t.match(await relays.handOver(threads), { connections: 4 });
    for (const target of targets) t.equal(await ask(t, target, 'new'), 'new');
  }
  for (const peer of peers) {
    peer.finish('after');
    t.equal(await peer.end(), 'FIN');
    t.equal(peer.text, 'beforeafter');
  }
  await relays.idle();
  t.equal(relays.finished.length, 10);
});

/** Sockets that are connecting to a port of 127.0.0.1, by their numbers in the kernel. */
function dialling(port: number): string[] {
  const to = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = readFileSync('/proc/net/tcp', 'utf8').split('\n');
  const fields = rows.map(row => row.trim().split(/\s+/)).filter(row => row[2] === to && row[3] === '02');
  return fields.map(row => row[9]!).sort();
}

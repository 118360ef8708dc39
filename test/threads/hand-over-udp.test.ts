import t from 'tap';
import { isSupported } from '../../src/engines/epoll/libc.js';
import { BACKEND, onLoopback, Relays } from '../fixtures/hand-over.js';
import { udpPeer } from '../fixtures/udp.js';
import { until } from '../fixtures/until.js';

const EPOLL = { skip: !isSupported() && 'not on this machine' };

for (const [from, ...to] of [
  [1, 2, 1],
  [2, 1, 3],
  [3, 2, 2],
] as const) {
  t.test(`flows go on, with replies under way: ${from} threads, then ${to.join()}`, EPOLL, async t => {
    const server = await udpPeer(t);
    const relays = await Relays.start(t, from, {
      protocol: 'udp',
      listen: [{ kind: 'ip', host: '0.0.0.0', port: 0 }],
      backends: [onLoopback(server.port)],
    });
    // Answers leave from the address that was asked, whatever thread it is.
    const hosts = ['127.0.0.1', '127.0.0.2'];
    const clients = await Promise.all(Array.from({ length: 12 }, () => udpPeer(t)));
    const sources = new Map<string, string>();
    const answer = async (i: number, text: string): Promise<void> => {
      const asked = await until('the question', () =>
        server.received.find(one => one.text === `${text} ${i}`),
      );
      t.equal(sources.get(String(i)) ?? asked.from, asked.from, 'the same flow all the time');
      sources.set(String(i), asked.from);
      const [host, port] = asked.from.split(':');
      await server.send(`to ${asked.text}`, Number(port), host);
      const got = await clients[i]!.next();
      t.equal(got.text, `to ${text} ${i}`);
      t.equal(got.from, `${hosts[i % 2]}:${relays.port}`);
    };
    const ask = (i: number, text: string) => clients[i]!.send(`${text} ${i}`, relays.port, hosts[i % 2]);
    for (const i of clients.keys()) {
      await ask(i, 'first');
      await answer(i, 'first');
    }
    for (const [round, threads] of to.entries()) {
      for (const i of clients.keys()) await ask(i, `before ${round}`);
      await until('all questions', () => server.received.length === 12 * (2 + round * 2));
      t.match(await relays.handOver(threads), { connections: 0, flows: 12, lost: [] });
      for (const i of clients.keys()) await answer(i, `before ${round}`);
      for (const i of clients.keys()) {
        await ask(i, `after ${round}`);
        await answer(i, `after ${round}`);
      }
      t.equal(relays.active(), 12);
      t.equal(relays.active(BACKEND), 12);
    }
    const before = relays.active();
    const late = await udpPeer(t);
    await late.send('late', relays.port);
    await until('a new flow', () => relays.active() === before + 1);
    await relays.plane.settle();
    t.equal(relays.total(BACKEND, 'datagramsIn'), 12 * 5 + 1);
    t.equal(relays.total(BACKEND, 'datagramsOut'), 12 * 5);
    t.equal(relays.total(BACKEND, 'connections'), 13);
    t.strictSame(relays.finished, []);
  });
}

t.test('a flow that moves to another backend while it is copied, one that ends, and IPv6', EPOLL, async t => {
  const server = await udpPeer(t, '::1');
  const other = await udpPeer(t, '::1');
  const relays = await Relays.start(t, 2, {
    protocol: 'udp',
    listen: [onLoopback(0, '::1')],
    backends: [onLoopback(server.port, '::1'), onLoopback(other.port, '::1')],
    timeouts: { connect: 0, idle: 60_000, halfClosed: 0, queue: 0, header: 5_000 },
  });
  const asker = await udpPeer(t, '::1');
  await asker.send('one', relays.port, '::1');
  await until('it came', () => server.received.length === 1);
  const kept = await relays.handOver(1, async () => {
    // Nobody is at the first backend's port any more.
    server.socket.close();
    await until('the flow moves', async () => {
      await asker.send('two', relays.port, '::1');
      return other.received.length > 0;
    });
  });
  t.match(kept, { connections: 0, flows: 1, lost: [] });
  t.equal(relays.active(BACKEND), 0);
  t.equal(relays.active(BACKEND + 1), 1);
  const { from } = other.received[0]!;
  await other.send('answer', Number(from.slice(from.lastIndexOf(':') + 1)), '::1');
  t.equal((await asker.next()).text, 'answer');
});

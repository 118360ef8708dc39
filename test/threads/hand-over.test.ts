import t from 'tap';
import { isSupported } from '../../src/engines/epoll/libc.js';
import { backend, echo } from '../fixtures/backends.js';
import { ask, client } from '../fixtures/clients.js';
import { BACKEND, onLoopback, Relays } from '../fixtures/hand-over.js';

const EPOLL = { skip: !isSupported() && 'not on this machine' };

for (const [from, to] of [
  [1, 1],
  [1, 2],
  [2, 1],
  [3, 2],
] as const) {
  t.test(`established connections go on, from ${from} threads to ${to}`, EPOLL, async t => {
    const server = await backend(t, echo);
    const relays = await Relays.start(t, from, { backends: [onLoopback(server.port)] });
    const clients = Array.from({ length: 20 }, () => client(t, relays.port));
    for (const peer of clients) {
      await peer.write('before ');
      await peer.reads(7);
    }
    const kept = await relays.handOver(to);
    t.match(kept, { connections: 20, flows: 0, lost: [] });
    t.equal(relays.active(), 20);
    t.equal(relays.active(BACKEND), 20);
    for (const peer of clients) {
      await peer.write('after');
      await peer.reads(12);
      t.equal(peer.text, 'before after');
    }
    t.equal(await ask(t, relays.port, 'new'), 'new');
    for (const peer of clients) {
      peer.finish();
      t.equal(await peer.end(), 'FIN');
    }
    await relays.idle();
    t.equal(relays.active(BACKEND), 0);
    t.equal(relays.finished.length, 21);
    t.equal(relays.total(BACKEND, 'connections'), 21);
    t.equal(relays.total(BACKEND, 'bytesIn'), 20 * 12 + 3);
    t.equal(relays.total(BACKEND, 'bytesOut'), 20 * 12 + 3);
    t.strictSame(relays.lost, []);
  });
}

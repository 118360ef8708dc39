import t from 'tap';
import { backend, sink } from '../fixtures/backends.js';
import { oneService, startBalancer } from '../fixtures/balancer.js';
import { client } from '../fixtures/clients.js';
import { holds, until } from '../fixtures/until.js';

const IDLE = 1_000;

for (const from of ['client', 'backend'] as const) {
  t.test(`idle timeout: bytes from the ${from} alone keep it open, silence closes it`, async t => {
    const server = await backend(t, sink);
    const lb = await startBalancer(
      t,
      oneService({ backends: [server.address], timeouts: { idle: `${IDLE}ms` } }),
    );
    const peer = client(t, lb.port());
    const { socket: there } = await until('connected', () => server.peers[0]);
    const talker = from === 'client' ? peer.socket : there;
    const ticking = setInterval(() => talker.write('.'), 50);
    t.teardown(() => clearInterval(ticking));
    await holds('it stays open', () => lb.service().active === 1, 2.5 * IDLE);
    clearInterval(ticking);
    const silentAt = performance.now();
    await peer.end();
    const line = await lb.log.only();
    t.equal(line.reason, 'idle_timeout');
    const silence = performance.now() - silentAt;
    t.ok(silence > 0.9 * IDLE, `${silence} ms`);
    t.ok((from === 'client' ? line.bytes_in : line.bytes_out) > 2, 'the bytes were passed on');
    t.equal(lb.service().active, 0);
  });
}

t.test('idle timeout 0: silence never closes', async t => {
  const server = await backend(t, sink);
  const lb = await startBalancer(t, oneService({ backends: [server.address] }));
  client(t, lb.port());
  await until('connected', () => server.peers.length === 1);
  await holds('it stays open', () => lb.service().active === 1 && server.open === 1, 1_000);
});

t.test('a connection that never says anything is idle too', async t => {
  const server = await backend(t, sink);
  const lb = await startBalancer(t, oneService({ backends: [server.address], timeouts: { idle: '100ms' } }));
  const peer = client(t, lb.port());
  await peer.end();
  t.match(await lb.log.only(), { reason: 'idle_timeout', bytes_in: 0, bytes_out: 0 });
});

import t from 'tap';
import { backend, echo } from '../fixtures/backends.js';
import { oneService, startBalancer } from '../fixtures/balancer.js';
import { noise, sha } from '../fixtures/bytes.js';
import { ask, client } from '../fixtures/clients.js';

const TEN_MB = noise(10_000_000);

t.test('the client half-closes, 10 MB flow back', async t => {
  const server = await backend(t, peer => {
    peer.socket.on('end', () => peer.finish(TEN_MB));
  });
  const lb = await startBalancer(t, oneService({ backends: [server.address] }));
  const peer = client(t, lb.port());
  peer.finish('please');
  t.equal(await peer.end(), 'FIN');
  t.equal(peer.sha, sha(TEN_MB));
  t.equal(server.peers[0]!.text, 'please');
  const line = await lb.log.only();
  t.match(line, { bytes_in: 6, bytes_out: 10_000_000, reason: 'client_closed', attempts: 1 });
  t.equal(lb.service().active, 0);
});

t.test('the backend half-closes, 10 MB flow back to it', async t => {
  const server = await backend(t, peer => peer.finish('go on'));
  const lb = await startBalancer(t, oneService({ backends: [server.address] }));
  const peer = client(t, lb.port());
  t.equal(await peer.end(), 'FIN');
  t.equal(peer.text, 'go on');
  peer.finish(TEN_MB);
  t.equal(await server.peers[0]!.end(), 'FIN');
  t.equal(server.peers[0]!.sha, sha(TEN_MB));
  t.match(await lb.log.only(), { bytes_in: 10_000_000, bytes_out: 5, reason: 'backend_closed' });
});

t.test('both directions at once, then the ends one after the other', async t => {
  const server = await backend(t, echo);
  const lb = await startBalancer(t, oneService({ backends: [server.address] }));
  const text = TEN_MB.subarray(0, 1_000_000).toString('latin1');
  t.equal(await ask(t, lb.port(), 'one'), 'one');
  const peer = client(t, lb.port());
  peer.finish(Buffer.from(text, 'latin1'));
  t.equal(await peer.end(), 'FIN');
  t.equal(peer.sha, sha(TEN_MB.subarray(0, 1_000_000)));
  await lb.log.finished(2);
  t.equal(lb.service().active, 0);
});

t.test('half_closed bounds how long one direction may go on alone', async t => {
  const server = await backend(t, () => {});
  const lb = await startBalancer(
    t,
    oneService({ backends: [server.address], timeouts: { half_closed: '200ms' } }),
  );
  const peer = client(t, lb.port());
  peer.finish('never answered');
  await peer.end();
  const line = await lb.log.only();
  t.equal(line.reason, 'idle_timeout');
  t.ok(line.duration_ms >= 195, `${line.duration_ms} ms`);
  t.equal(lb.service().active, 0);
});

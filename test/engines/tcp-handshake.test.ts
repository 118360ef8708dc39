import { execFileSync } from 'node:child_process';
import t from 'tap';
import { backend, named, sink } from '../fixtures/backends.js';
import { ENGINE, oneService, startBalancer } from '../fixtures/balancer.js';
import { client } from '../fixtures/clients.js';
import { until } from '../fixtures/until.js';

// Node does not tell its sockets to wait with an ACK.
const skip = ENGINE === 'net' && 'not on this engine';

t.test('the first bytes go with the last segment of the handshake', { skip }, async t => {
  const server = await backend(t, sink);
  const lb = await startBalancer(
    t,
    oneService({ backends: [server.address], proxy_protocol: { send: 'v1' } }),
  );
  client(t, lb.port());
  const peer = await until('connected', () => server.peers[0]);
  await peer.reads(1);
  const filter = ['state', 'established', `dport = :${server.port}`];
  const sockets = execFileSync('ss', ['-tnHOi', ...filter], { encoding: 'utf8' });
  t.match(sockets, / segs_out:2 /, 'SYN, then ACK and header in one');
});

t.test('a backend that speaks first is not kept waiting for its handshake', async t => {
  const server = await backend(t, named('hello'));
  const lb = await startBalancer(t, oneService({ backends: [server.address] }));
  const times: number[] = [];
  for (let i = 0; i < 15; i++) {
    const startedAt = performance.now();
    const peer = client(t, lb.port());
    await peer.reads(5);
    times.push(performance.now() - startedAt);
    peer.finish();
    await peer.end();
  }
  // The kernel would send an ACK that was put off after 200 ms.
  times.sort((a, b) => a - b);
  t.ok(times[7]! < 100, `median ${times[7]} ms`);
});

import t from 'tap';
import { oneService, startBalancer } from '../fixtures/balancer.js';
import { noise, sha } from '../fixtures/bytes.js';
import { echoes, udpBackend, udpPeer } from '../fixtures/udp.js';
import { until } from '../fixtures/until.js';

t.test('datagrams of every size stay what they are', async t => {
  const backend = await udpBackend(t, echoes);
  const lb = await startBalancer(t, oneService({ protocol: 'udp', backends: [backend.address] }));
  const client = await udpPeer(t);
  let bytes = 0;
  for (const size of [0, 1, 2, 511, 512, 1472, 1473, 9000, 32_768, 65_506, 65_507, 0]) {
    const sent = noise(size, size + 3);
    bytes += size;
    await client.send(sent, lb.port());
    const { data, from } = await client.next();
    t.equal(data.length, size, `${size} bytes back`);
    t.equal(sha(data), sha(sent));
    t.equal(from, `127.0.0.1:${lb.port()}`, 'from the address it was sent to');
  }
  const { backends, active } = lb.service();
  t.match(backends[0], { active: 1, total: 1, bytes_in: bytes, bytes_out: bytes });
  t.equal(active, 1, 'one flow');
  t.equal(backend.senders().size, 1, 'one sender at the backend');
});

t.test('an answer may be of any size, and there may be many or none', async t => {
  const backend = await udpBackend(t, (data, reply) => {
    for (const size of data.toString().split(' ').filter(Boolean)) reply(noise(Number(size), 5));
  });
  const lb = await startBalancer(t, oneService({ protocol: 'udp', backends: [backend.address] }));
  const client = await udpPeer(t);
  await client.send('', lb.port());
  await client.send('3 0 65507 0 7', lb.port());
  const sizes: number[] = [];
  while (sizes.length < 5) sizes.push((await client.next()).data.length);
  t.strictSame(sizes, [3, 0, 65_507, 0, 7]);
});

t.test('6,000 datagrams in windows: none lost, none doubled, none merged, in order', async t => {
  const backend = await udpBackend(t, echoes);
  const lb = await startBalancer(t, oneService({ protocol: 'udp', backends: [backend.address] }));
  const client = await udpPeer(t);
  const count = 6_000;
  const window = 40;
  let bytes = 0;
  for (let start = 0; start < count; start += window) {
    for (let n = start; n < start + window; n++) {
      const data = Buffer.alloc(4 + ((n * 7919) % 300), n & 255);
      data.writeUInt32BE(n);
      bytes += data.length;
      void client.send(data, lb.port());
    }
    await until(`window at ${start}`, () => client.received.length >= start + window);
  }
  t.equal(client.received.length, count);
  const wrong = client.received.findIndex(
    ({ data }, n) =>
      data.readUInt32BE() !== n ||
      data.length !== 4 + ((n * 7919) % 300) ||
      (data.length > 4 && data.at(-1) !== (n & 255)),
  );
  t.equal(wrong, -1, 'each as it was sent, in order');
  t.match(lb.service().backends[0], { bytes_in: bytes, bytes_out: bytes, total: 1 });
});

t.test('a burst at the very start of a flow is not lost while the backend socket opens', async t => {
  const backend = await udpBackend(t, echoes);
  const lb = await startBalancer(t, oneService({ protocol: 'udp', backends: [backend.address] }));
  const client = await udpPeer(t);
  for (let n = 0; n < 60; n++) void client.send(String(n), lb.port());
  await until('all of it', () => client.received.length >= 60);
  t.strictSame(
    client.received.map(({ text }) => text),
    Array.from({ length: 60 }, (_, n) => String(n)),
  );
});

t.test('IPv6 on both sides, and from one to the other', async t => {
  const v6 = await udpBackend(t, echoes, { host: '::1' });
  const v4 = await udpBackend(t, echoes);
  const six = await udpPeer(t, '::1');
  for (const backend of [v6, v4]) {
    const lb = await startBalancer(
      t,
      oneService({ protocol: 'udp', listen: '[::1]:0', backends: [backend.address] }),
    );
    t.equal(await six.ask(`to ${backend.address}`, lb.port(), '::1'), `to ${backend.address}`);
  }
  const lb = await startBalancer(t, oneService({ protocol: 'udp', backends: [v6.address] }));
  const four = await udpPeer(t);
  t.equal(await four.ask('four to six', lb.port()), 'four to six');
});

t.test('a client that reads nothing and a backend that reads nothing hold nobody up', async t => {
  const flooding = await udpBackend(t, (_data, reply) => {
    for (let n = 0; n < 400; n++) reply(Buffer.alloc(8_000));
  });
  const echo = await udpBackend(t, echoes);
  const lb = await startBalancer(t, {
    admin: { listen: 'off' },
    services: {
      main: { protocol: 'udp', listen: '127.0.0.1:0', backends: [echo.address] },
      flood: { protocol: 'udp', listen: '127.0.0.1:0', backends: [flooding.address] },
      // Datagrams to the balancer’s own client fill a socket that nobody reads.
      stuck: { protocol: 'udp', listen: '127.0.0.1:0', backends: [(await udpBackend(t, () => {})).address] },
    },
  });
  const deaf = await udpPeer(t);
  const live = await udpPeer(t);
  for (let round = 0; round < 20; round++) {
    for (let n = 0; n < 20; n++) void deaf.send(Buffer.alloc(8_000), lb.port('stuck'));
    void deaf.send('go', lb.port('flood'));
    t.equal(await live.ask(`round ${round}`, lb.port()), `round ${round}`);
  }
});

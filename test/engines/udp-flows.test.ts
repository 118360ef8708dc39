import t from 'tap';
import { oneService, type Running, startBalancer } from '../fixtures/balancer.js';
import { answersAs, type UdpPeer, udpBackend, udpBackends, udpPeer, udpPeers } from '../fixtures/udp.js';
import { holds, until } from '../fixtures/until.js';

/** Which backend each client gets: the name in front of its answer. */
function names(clients: readonly UdpPeer[], lb: Running): Promise<string[]> {
  return Promise.all(clients.map(async client => (await client.ask('x', lb.port())).split(':')[0]!));
}

function tally(list: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const one of list) counts[one] = (counts[one] ?? 0) + 1;
  return counts;
}

t.test('a flow is a client address and port, and stays with its backend', async t => {
  const backends = await udpBackends(t, 3);
  const lb = await startBalancer(
    t,
    oneService({ protocol: 'udp', strategy: 'round-robin', backends: backends.map(b => b.address) }),
  );
  const clients = await udpPeers(t, 3);
  const first: string[] = [];
  for (const client of clients) first.push((await client.ask('x', lb.port())).split(':')[0]!);
  t.strictSame(first, ['b0', 'b1', 'b2'], 'the same address, other ports: other flows');
  for (let n = 0; n < 10; n++) t.strictSame(await names(clients, lb), first, 'each stays');
  t.strictSame(
    backends.map(backend => backend.senders().size),
    [1, 1, 1],
  );
  t.equal(lb.service().active, 3);
});

t.test('100 flows are spread by the strategy', async t => {
  const backends = await udpBackends(t, 4);
  const list = backends.map(({ address }, i) => `${address} weight=${i + 1}`);
  const expected = {
    'round-robin': { b0: 25, b1: 25, b2: 25, b3: 25 },
    'weighted-round-robin': { b0: 10, b1: 20, b2: 30, b3: 40 },
    'least-connections': { b0: 10, b1: 20, b2: 30, b3: 40 },
    first: { b0: 100 },
  } as const;
  const clients = await udpPeers(t, 100);
  for (const [strategy, counts] of Object.entries(expected)) {
    const lb = await startBalancer(
      t,
      oneService({ protocol: 'udp', strategy: strategy as keyof typeof expected, backends: list }),
    );
    t.strictSame(tally(await names(clients, lb)), counts, strategy);
    t.strictSame(
      lb.service().backends.map(({ active }) => active),
      backends.map((_, i) => (counts as Record<string, number>)[`b${i}`] ?? 0),
      `${strategy}: flows count as active`,
    );
  }
});

t.test('ip-hash: all flows of an address meet at one backend', async t => {
  const backends = await udpBackends(t, 4);
  const lb = await startBalancer(
    t,
    oneService({ protocol: 'udp', strategy: 'ip-hash', backends: backends.map(b => b.address) }),
  );
  const used = new Set<string>();
  for (let host = 1; host <= 12; host++) {
    const seen = new Set(await names(await udpPeers(t, 4, `127.0.0.${host}`), lb));
    t.equal(seen.size, 1, `127.0.0.${host} stays together`);
    for (const name of seen) used.add(name);
  }
  t.ok(used.size > 1, 'addresses are spread');
});

t.test('a quiet flow expires; one that is used does not', async t => {
  const [backend] = await udpBackends(t, 1);
  const lb = await startBalancer(
    t,
    oneService({ protocol: 'udp', backends: [backend!.address], timeouts: { idle: '600ms' } }),
  );
  const [quiet, busy] = await udpPeers(t, 2);
  await quiet!.ask('hello', lb.port());
  await busy!.ask('hello', lb.port());
  const done = lb.log.only();
  const keep = setInterval(() => void busy!.send('still here', lb.port()), 50);
  t.teardown(() => clearInterval(keep));
  t.match(await done, {
    service: 'main',
    client: `127.0.0.1:${quiet!.port}`,
    backend: backend!.address,
    bytes_in: 5,
    bytes_out: 8,
    reason: 'idle_timeout',
    attempts: 1,
  });
  t.ok((await done).duration_ms >= 600);
  t.equal(lb.service().backends[0]!.active, 1, 'the other one is there');
  clearInterval(keep);
  await lb.idle();
  t.equal(lb.service().backends[0]!.active, 0);
  t.equal(lb.service().active, 0);
  t.equal((await busy!.next()).text.slice(0, 3), 'b0:');
});

t.test('answers keep a flow open as well', async t => {
  let stream: NodeJS.Timeout | undefined;
  const backend = await udpBackend(t, (_data, reply) => {
    stream ??= setInterval(() => reply('tick'), 50);
  });
  t.teardown(() => clearInterval(stream));
  const lb = await startBalancer(
    t,
    oneService({ protocol: 'udp', backends: [backend.address], timeouts: { idle: '500ms' } }),
  );
  const client = await udpPeer(t);
  await client.send('subscribe', lb.port());
  await until('ticks for twice the idle time', () => client.received.length >= 20);
  t.equal(lb.log.connections.length, 0);
  clearInterval(stream);
  t.match(await lb.log.only(), { reason: 'idle_timeout', bytes_in: 9 });
});

t.test('max_flows bounds a flood; flows from before live on', async t => {
  const [backend] = await udpBackends(t, 1);
  const lb = await startBalancer(
    t,
    oneService({
      protocol: 'udp',
      backends: [backend!.address],
      udp: { max_flows: 10 },
      timeouts: { idle: '1500ms' },
    }),
  );
  const early = await udpPeers(t, 4);
  await names(early, lb);
  const flood = await udpPeers(t, 300);
  for (let round = 0; round < 3; round++) {
    await Promise.all(flood.map(one => one.send('spoofed', lb.port())));
    t.strictSame(await names(early, lb), ['b0', 'b0', 'b0', 'b0'], 'existing flows go on');
    t.equal(lb.service().active, 10, 'bounded');
  }
  t.equal(backend!.senders().size, 10, 'no more reached the backend');
  const keep = setInterval(() => {
    for (const one of early) void one.send('x', lb.port());
  }, 100);
  t.teardown(() => clearInterval(keep));
  await lb.log.finished(6);
  t.equal(lb.service().active, 4, 'the flood expires, the others stay');
  const late = await udpPeer(t);
  t.match(await late.ask('x', lb.port()), /^b0:/, 'and there is room again');
});

t.test('responses: the flow ends with the last answer', async t => {
  const [backend] = await udpBackends(t, 1);
  const lb = await startBalancer(
    t,
    oneService({ protocol: 'udp', backends: [backend!.address], udp: { responses: 1 } }),
  );
  const client = await udpPeer(t);
  for (let n = 1; n <= 3; n++) {
    t.equal(await client.ask(`q${n}`, lb.port()), `b0:q${n}`);
    const lines = await lb.log.finished(n);
    t.match(lines[n - 1], { reason: 'backend_closed', bytes_in: 2, bytes_out: 5 });
  }
  t.equal(lb.service().active, 0);
  t.equal(lb.service().backends[0]!.active, 0);
  t.equal(lb.service().backends[0]!.total, 3);
});

t.test('responses: two questions at once both get their answer', async t => {
  const held: (() => void)[] = [];
  const backend = await udpBackend(t, (data, reply) => held.push(() => reply(data)));
  const lb = await startBalancer(
    t,
    oneService({ protocol: 'udp', backends: [backend.address], udp: { responses: 1 } }),
  );
  const client = await udpPeer(t);
  await client.send('A', lb.port());
  await client.send('AAAA', lb.port());
  await until('both questions', () => held.length === 2);
  for (const answer of held) answer();
  t.equal((await client.next()).text, 'A');
  t.equal((await client.next()).text, 'AAAA');
  t.match(await lb.log.only(), { reason: 'backend_closed', bytes_in: 5, bytes_out: 5 });
});

t.test('requests: the next datagram starts a new flow, earlier answers still come', async t => {
  const held = new Map<string, () => void>();
  const answer = (data: Buffer, reply: (text: string) => void, name: string) =>
    held.set(data.toString(), () => reply(`${name}:${data}`));
  const backends = await Promise.all(
    ['b0', 'b1'].map(name => udpBackend(t, (data, reply) => answer(data, reply, name))),
  );
  const lb = await startBalancer(
    t,
    oneService({
      protocol: 'udp',
      strategy: 'round-robin',
      backends: backends.map(b => b.address),
      udp: { requests: 1 },
      timeouts: { idle: '1s' },
    }),
  );
  const client = await udpPeer(t);
  for (const text of ['1', '2', '3', '4']) {
    await client.send(text, lb.port());
    await until(`datagram ${text} at a backend`, () => held.has(text));
  }
  t.strictSame(
    backends.map(backend => backend.received.map(({ text }) => text)),
    [
      ['1', '3'],
      ['2', '4'],
    ],
    'each datagram is balanced',
  );
  t.equal(lb.service().active, 4);
  for (const text of ['4', '2', '1', '3']) held.get(text)!();
  const answers = [];
  while (answers.length < 4) answers.push((await client.next()).text);
  t.strictSame(answers.sort(), ['b0:1', 'b0:3', 'b1:2', 'b1:4']);
  const lines = await lb.log.finished(4);
  t.strictSame(
    lines.map(({ reason }) => reason),
    new Array<string>(4).fill('client_closed'),
  );
  t.equal(lb.service().active, 0);
});

t.test('allow and deny', async t => {
  const [backend] = await udpBackends(t, 1);
  const lb = await startBalancer(
    t,
    oneService({
      protocol: 'udp',
      backends: [backend!.address],
      allow: ['127.0.0.0/29'],
      deny: ['127.0.0.3'],
    }),
  );
  for (const host of ['127.0.0.3', '127.0.0.9']) {
    const stranger = await udpPeer(t, host);
    await stranger.send('let me in', lb.port());
  }
  const friend = await udpPeer(t, '127.0.0.2');
  t.equal(await friend.ask('x', lb.port()), 'b0:x');
  t.equal(backend!.received.length, 1, 'nothing of the others went through');
  t.equal(lb.service().active, 1);
});

t.test('limits: each client, the service, the backend, the rate', async t => {
  const [backend] = await udpBackends(t, 1);
  const cases = {
    max_connections_per_client: { max_connections_per_client: 2 },
    max_connections: { max_connections: 2 },
    'the backend’s max_connections': { backends: [`${backend!.address} max_connections=2`] },
    connection_rate: { connection_rate: '2/h' },
    connection_rate_per_client: { connection_rate_per_client: '2/h' },
  };
  for (const [what, limit] of Object.entries(cases)) {
    const lb = await startBalancer(
      t,
      oneService({ protocol: 'udp', backends: [backend!.address], timeouts: { idle: '500ms' }, ...limit }),
    );
    const [a, b, c] = await udpPeers(t, 3);
    const seen = backend!.received.length;
    if (what.includes('rate')) {
      // A bucket holds one token at least; "2/h" fills it again after half an hour.
      t.equal(await a!.ask('x', lb.port()), 'b0:x');
      await b!.send('x', lb.port());
    } else {
      t.equal(await a!.ask('x', lb.port()), 'b0:x');
      t.equal(await b!.ask('x', lb.port()), 'b0:x');
    }
    await c!.send('x', lb.port());
    const open = lb.service().active;
    await holds(`${what}: only ${open} get through`, () => backend!.received.length <= seen + open, 50);
    t.equal(await a!.ask('x', lb.port()), 'b0:x', `${what}: the flow that is there goes on`);
    t.equal(lb.service().active, what.includes('rate') ? 1 : 2, what);
    await lb.idle();
    t.equal(lb.service().backends[0]!.active, 0, `${what}: every place was given back`);
    if (!what.includes('rate')) t.equal(await c!.ask('x', lb.port()), 'b0:x', `${what}: room again`);
  }
});

t.test('a client address with a limit of its own does not hinder others', async t => {
  const [backend] = await udpBackends(t, 1);
  const lb = await startBalancer(
    t,
    oneService({ protocol: 'udp', backends: [backend!.address], max_connections_per_client: 1 }),
  );
  const [one, two] = await udpPeers(t, 2, '127.0.0.5');
  const other = await udpPeer(t, '127.0.0.6');
  t.equal(await one!.ask('x', lb.port()), 'b0:x');
  await two!.send('x', lb.port());
  t.equal(await other.ask('x', lb.port()), 'b0:x');
  t.equal(two!.received.length, 0);
});

t.test('many flows come and go: the counts end where they began', async t => {
  const backends = await Promise.all(['b0', 'b1'].map(name => udpBackend(t, answersAs(name))));
  const lb = await startBalancer(
    t,
    oneService({
      protocol: 'udp',
      backends: backends.map(b => b.address),
      udp: { responses: 1 },
      max_connections_per_client: 10_000,
      timeouts: { idle: '500ms' },
    }),
  );
  const clients = await udpPeers(t, 50);
  for (let round = 0; round < 20; round++) await names(clients, lb);
  await lb.idle();
  const { backends: after, active } = lb.service();
  t.equal(active, 0);
  t.strictSame(
    after.map(one => one.active),
    [0, 0],
  );
  t.equal(after[0]!.total + after[1]!.total, 1000);
  t.equal((await lb.log.finished(1000)).length, 1000, 'one line a flow');
});

import t, { type Test } from 'tap';
import { accountsAgree, count, sum } from '../fixtures/accounts.js';
import { type Administered, startAdministered } from '../fixtures/api.js';
import { backend, echo, freePort, named, says, sink } from '../fixtures/backends.js';
import { config, ENGINE, oneService } from '../fixtures/balancer.js';
import { ask, client } from '../fixtures/clients.js';
import { MetricsPage, scrape } from '../fixtures/metrics.js';
import { answersAs, echoes, udpBackend, udpPeer } from '../fixtures/udp.js';
import { until } from '../fixtures/until.js';

const THREADS = ENGINE === 'epoll' ? 2 : 1;

/** Every count of connections, against the log's lines, of which there must be `expected`. */
async function agrees(t: Test, lb: Administered, expected: number): Promise<void> {
  await lb.idle();
  const lines = await lb.log.finished(expected);
  t.equal(lines.length, expected);
  await accountsAgree(t, lb);
}

t.test('TCP: the metrics say what the log says, and both what happened', async t => {
  const [a, b, closing] = await Promise.all([
    backend(t, named('a')),
    backend(t, echo),
    backend(t, says('short')),
  ]);
  const silent = await backend(t, sink);
  const dead = `127.0.0.1:${await freePort()}`;
  const input = {
    listen: '127.0.0.1:0',
    strategy: 'round-robin',
    backends: [a!, b!, closing!, silent].map(({ address }) => address).concat(dead),
    health: { kind: 'none' as const, passive_failures: 0 },
    deny: ['127.0.0.3'],
    timeouts: { idle: '10s' },
  };
  const lb = await startAdministered(
    t,
    config({ main: input, other: { ...input, backends: [dead] } }, { threads: THREADS }),
  );
  for (let i = 0; i < 30; i++) {
    const peer = client(t, lb.port());
    await until('connected', () => !peer.socket.connecting);
    await peer.write('question').catch(() => {});
    if (i % 3 === 0) peer.finish('more');
    else if (i % 3 === 1) {
      await peer.reads(1, 100).catch(() => {});
      peer.reset();
    } else {
      peer.finish();
      await peer.end();
    }
    peer.socket.destroy();
  }
  for (let i = 0; i < 3; i++) await ask(t, lb.port('other'));
  for (let i = 0; i < 4; i++) await ask(t, lb.port(), '', { from: '127.0.0.3' });
  await lb.idle();
  // A reset right behind the handshake may overtake the accept: then there was no connection.
  const lines = await lb.log.finished(30);
  await agrees(t, lb, lines.length);
  t.equal(count(lines, ({ reason }) => reason).denied, 4);

  const page = await scrape(lb);
  const failed = page.sum('lb4_connect_failures_total', { backend: dead, service: 'main' });
  t.equal(
    failed,
    page.sum('lb4_retries_total', { backend: dead, service: 'main' }),
    'each was tried elsewhere',
  );
  t.ok(failed > 0);
  t.equal(
    failed,
    sum(lines, ({ service, attempts }) => (service === 'main' && attempts > 0 ? attempts - 1 : 0)),
  );
  t.equal(page.sum('lb4_connect_failures_total', { service: 'other' }), 3);
  t.equal(page.sum('lb4_retries_total', { service: 'other' }), 0, 'nowhere else to go');
  for (const { address } of [a!, b!, closing!, silent]) {
    const at = { backend: address };
    const established = page.sum('lb4_connections_total', at);
    t.equal(page.sum('lb4_connect_seconds_count', at), established, 'each was timed');
    t.equal(page.sum('lb4_connect_seconds_bucket', { ...at, le: '+Inf' }), established);
    const answered = lines.filter(({ backend, bytes_out }) => backend === address && bytes_out > 0).length;
    t.equal(page.sum('lb4_response_seconds_count', at), answered, 'as was each answer');
    const ms = sum(
      lines.filter(line => line.backend === address),
      ({ connect_ms }) => connect_ms ?? 0,
    );
    t.ok(Math.abs(page.sum('lb4_connect_seconds_sum', at) - ms / 1_000) < 0.001, 'connect_seconds_sum');
  }
});

t.test('TCP: what is open is seen, with the bytes so far', async t => {
  const behind = await backend(t, echo);
  const lb = await startAdministered(t, oneService({ backends: [behind.address] }, { threads: THREADS }));
  const peers = Array.from({ length: 10 }, () => client(t, lb.port()));
  for (const peer of peers) {
    await peer.write('12345');
    await peer.reads(5);
  }
  const at = { service: 'main', backend: behind.address };
  const open = await scrape(lb);
  t.equal(open.sum('lb4_connections_active', at), 10);
  t.equal(open.sum('lb4_connections_active', { backend: '' }), 0);
  t.equal(open.sum('lb4_connections_total', at), 10);
  t.equal(open.sum('lb4_bytes_received_total', at), 50);
  t.equal(open.sum('lb4_bytes_sent_total', at), 50);
  t.equal(open.sum('lb4_connections_closed_total'), 0);
  for (const peer of peers) peer.finish();
  await agrees(t, lb, 10);
});

t.test('UDP: flows, datagrams and what was dropped', async t => {
  const [a, b] = [await udpBackend(t, echoes), await udpBackend(t, answersAs('b'))];
  const input = {
    protocol: 'udp' as const,
    listen: '127.0.0.1:0',
    strategy: 'round-robin',
    backends: [a, b].map(({ port }) => `127.0.0.1:${port}`),
    deny: ['127.0.0.3'],
    udp: { max_flows: 3 },
  };
  const lb = await startAdministered(t, config({ main: input }));
  const denied = await udpPeer(t, '127.0.0.3');
  for (const text of ['x', 'y']) await denied.send(text, lb.port());
  const peers = await Promise.all([1, 2, 3].map(() => udpPeer(t)));
  for (const peer of peers) for (let i = 0; i < 4; i++) await peer.ask('12345', lb.port());
  const full = await udpPeer(t);
  await full.send('x', lb.port());
  const page = await until('the drops', async () => {
    const now = await scrape(lb);
    return now.sum('lb4_datagrams_dropped_total') === 3 ? now : undefined;
  });
  t.strictSame(page.table('lb4_datagrams_dropped_total', 'backend', 'reason'), { ' limit': 1, ' denied': 2 });
  t.strictSame(page.of('lb4_datagrams_dropped_total').length, 3);
  t.equal(page.sum('lb4_udp_flows_active'), 3);
  t.equal(page.sum('lb4_connections_active'), 3);
  t.equal(page.sum('lb4_datagrams_received_total'), 12);
  t.equal(page.sum('lb4_datagrams_sent_total'), 12);
  t.equal(page.sum('lb4_response_seconds_count'), 3, 'the first answer of each flow');
  t.strictSame(page.of('lb4_connect_seconds_count'), [], 'a datagram needs no connecting');
  lb.balancer.setState('main', input.backends[0]!, 'maint');
  lb.balancer.setState('main', input.backends[1]!, 'maint');
  for (const peer of peers) await peer.send('x', lb.port());
  await agrees(t, lb, 3);
  t.equal((await scrape(lb)).sum('lb4_datagrams_dropped_total', { reason: 'no_backend' }), 3);
});

t.test('state, weight and health checks of backends', async t => {
  const behind = await backend(t, echo);
  const [down, maint] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  const lb = await startAdministered(
    t,
    oneService({
      backends: [`${behind.address} weight=3`, down, { address: maint, disabled: true }],
      health: { interval: '20ms', timeout: '1s', fall: 2, rise: 1 },
    }),
  );
  const page = await until('up and down', async () => {
    const now = await scrape(lb);
    return now.sum('lb4_health_transitions_total') === 2 ? now : undefined;
  });
  const { address } = behind;
  t.strictSame(page.table('lb4_backend_state', 'backend', 'state'), {
    [`${address} up`]: 1,
    [`${down} down`]: 1,
    [`${maint} maintenance`]: 1,
  });
  t.equal(page.of('lb4_backend_state').length, 15);
  t.strictSame(page.table('lb4_backend_up', 'backend'), { [address]: 1 });
  t.strictSame(page.table('lb4_backend_weight', 'backend'), { [address]: 3, [down]: 1, [maint]: 1 });
  t.ok(page.sum('lb4_health_checks_total', { backend: address, result: 'ok' }) >= 1);
  t.ok(page.sum('lb4_health_checks_total', { backend: down, result: 'failed' }) >= 2);
  t.equal(page.sum('lb4_health_checks_total', { backend: maint }), 0);
  t.equal(
    page.sum('lb4_health_check_seconds_count', { backend: down }),
    page.sum('lb4_health_checks_total', { backend: down }),
  );
});

t.test('no counter shrinks when backends leave, come back or change their address', async t => {
  const servers = await Promise.all(['a', 'b', 'c'].map(name => backend(t, named(name))));
  const entry = (name: string, at: number) => ({ name, address: servers[at]!.address });
  const input = (...backends: { name: string; address: string }[]) =>
    oneService({ strategy: 'round-robin', backends }, { threads: THREADS });
  const lb = await startAdministered(t, input(entry('x', 0), entry('y', 1)));
  const send = async (): Promise<void> => {
    for (let i = 0; i < 4; i++) await ask(t, lb.port(), 'q');
    await lb.idle();
  };
  const total = async (labels = {}): Promise<number> =>
    (await scrape(lb)).sum('lb4_connections_closed_total', labels);
  await send();
  const x = await total({ backend: 'x' });
  t.ok(x > 0);

  const held = client(t, lb.port(), {});
  await held.reads(1);
  await lb.balancer.apply(input(entry('y', 1)));
  t.equal(await total(), 4, 'while it drains');
  const leaving = await scrape(lb);
  t.equal(leaving.sum('lb4_connections_active'), 1);
  held.finish();
  await lb.idle();
  await until(
    'it is gone',
    async () => (await scrape(lb)).of('lb4_backend_up', { backend: 'x' }).length === 0,
  );
  t.equal(await total(), 5, 'when it is gone');
  await send();
  t.equal(await total(), 9);

  await lb.balancer.apply(input(entry('x', 2), entry('y', 1)));
  t.ok((await total({ backend: 'x' })) >= x, 'another server under the old name goes on');
  await send();
  t.equal(await total(), 13);

  await lb.balancer.apply(input(entry('y', 2)));
  t.equal(await total(), 13, 'a name that moves to another address');
  await send();
  t.equal(await total(), 17);
});

t.test('scrapes while connections come and go: each page holds, and no counter ever shrinks', async t => {
  const servers = await Promise.all(['a', 'b'].map(name => backend(t, named(name))));
  const lb = await startAdministered(
    t,
    oneService({ backends: servers.map(({ address }) => address) }, { threads: THREADS }),
  );
  const TOTAL = 600;
  let left = TOTAL;
  const load = Array.from({ length: 20 }, async () => {
    while (left-- > 0) await ask(t, lb.port(), 'question');
  });
  let running = true;
  const before = new Map<string, number>();
  let pages = 0;
  const scraper = async (): Promise<void> => {
    while (running) {
      const { samples } = await scrape(lb);
      pages++;
      for (const { name, labels, value } of samples) {
        if (!/^lb4_.*(_total|_bucket|_sum|_count)$/.test(name)) continue;
        const key = `${name} ${JSON.stringify(labels)}`;
        if (value < (before.get(key) ?? 0))
          throw new Error(`${key} went from ${before.get(key)} to ${value}`);
        before.set(key, value);
      }
    }
  };
  const scraping = scraper();
  await Promise.all(load);
  running = false;
  await scraping;
  t.ok(pages > 3, `${pages} pages`);
  await agrees(t, lb, TOTAL);
});

t.test('many scrapers at the same time cost no more than one', async t => {
  const backends = Array.from({ length: 300 }, (_, i) => `127.0.1.${i % 250}:${1 + i}`);
  const lb = await startAdministered(t, oneService({ backends }));
  const answers = await Promise.all(Array.from({ length: 20 }, () => lb.api('GET', '/metrics')));
  const pages = new Set(answers.map(({ text }) => text));
  for (const text of pages) t.equal(new MetricsPage(text).of('lb4_backend_up').length, 300);
  t.ok(pages.size < 20, `${pages.size} pages for 20 scrapers`);
});

t.test('the queue: how many wait, over all threads', async t => {
  const behind = await backend(t, named('a'));
  const lb = await startAdministered(
    t,
    oneService(
      {
        backends: [`${behind.address} max_connections=1`],
        queue: { size: 10 },
        timeouts: { queue: '20s' },
      },
      { threads: THREADS },
    ),
  );
  const first = client(t, lb.port());
  await first.reads(1);
  const waiting = Array.from({ length: 4 }, () => client(t, lb.port()));
  const page = await until('four wait', async () => {
    const now = await scrape(lb);
    return now.sum('lb4_queue_length', { service: 'main' }) === 4 ? now : undefined;
  });
  t.equal(page.sum('lb4_connections_active', { backend: '' }), 4);
  t.equal(page.sum('lb4_connections_active', { backend: behind.address }), 1);
  // Who came first is for the threads that accepted them to say.
  const served = [first, ...waiting].map(async peer => {
    await peer.reads(1);
    peer.finish();
  });
  await Promise.all(served);
  await lb.idle();
  t.equal((await scrape(lb)).sum('lb4_queue_length'), 0);
});

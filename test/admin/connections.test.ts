import t, { type Test } from 'tap';
import type { BackendInput } from '../../src/config/backend.js';
import { type Administered, startAdministered } from '../fixtures/api.js';
import { backend, named } from '../fixtures/backends.js';
import { config, ENGINE, oneService } from '../fixtures/balancer.js';
import { client } from '../fixtures/clients.js';
import type { TestPeer } from '../fixtures/peer.js';
import { echoes, udpBackend, udpPeer } from '../fixtures/udp.js';
import { holds, until } from '../fixtures/until.js';

/** Several data-plane threads where the engine has them. */
const THREADS = ENGINE === 'epoll' ? 3 : 1;
const LIST = '/services/main/connections';

async function backends(t: Test, ...names: string[]) {
  return await Promise.all(names.map(name => backend(t, named(name))));
}

/** Open connections that have been served. */
async function open(t: Test, lb: Administered, count: number): Promise<TestPeer[]> {
  const peers = Array.from({ length: count }, () => client(t, lb.port()));
  for (const peer of peers) await peer.reads(1);
  return peers;
}

/** Connections of each backend. */
const active = (lb: Administered) => lb.service().backends.map(one => one.active);
const closeUrl = (id: string) => `/services/main/backends/${encodeURIComponent(id)}/close`;

t.test('open connections are listed, the oldest first', async t => {
  const [a] = await backends(t, 'a');
  const lb = await startAdministered(t, oneService({ backends: [a!.address] }, { threads: THREADS }));
  t.strictSame((await lb.api('GET', LIST)).json, { connections: [], total: 0 });
  const [first] = await open(t, lb, 1);
  const others = await open(t, lb, 4);
  await first!.write('hello');
  await first!.reads(6);
  const { status, json } = await lb.api('GET', LIST);
  t.equal(status, 200);
  t.equal(json.total, 5);
  const addresses = [first!, ...others].map(({ socket }) => `127.0.0.1:${socket.localPort}`);
  t.strictSame(new Set(json.connections.map((one: { client: string }) => one.client)), new Set(addresses));
  t.equal(json.connections[0].client, addresses[0]);
  t.match(json.connections[0], { backend: a!.address, bytes_in: 5, bytes_out: 6 });
  t.match(json.connections[1], { bytes_in: 0, bytes_out: 1 });
  for (const { age_seconds, idle_seconds } of json.connections) {
    t.ok(age_seconds >= 0 && age_seconds < 20 && idle_seconds >= 0 && idle_seconds <= age_seconds);
  }
  const limited = await lb.api('GET', `${LIST}?limit=2`);
  t.match(limited.json, { total: 5, connections: { length: 2 } });
});

t.test('of one backend; bad queries', async t => {
  const list = await backends(t, 'a', 'b');
  const [a, b] = list.map(({ address }) => address);
  const lb = await startAdministered(t, oneService({ strategy: 'round-robin', backends: [a!, b!] }));
  await open(t, lb, 4);
  const { json } = await lb.api('GET', `${LIST}?backend=${encodeURIComponent(b!)}`);
  t.match(json, { total: 2, connections: [{ backend: b }, { backend: b }] });
  t.match(await lb.api('GET', `${LIST}?backend=x`), { status: 404, json: { error: /no backend "x"/ } });
  t.match(await lb.api('GET', '/services/x/connections'), { status: 404 });
  for (const limit of ['0', '-1', 'x', '1e3', '1000000', '']) {
    t.match(await lb.api('GET', `${LIST}?limit=${limit}`), {
      status: 400,
      json: { error: /limit: expected a whole number from 1 to 100000/ },
    });
  }
  t.match(await lb.api('GET', `${LIST}?limti=3`), { status: 400, json: { error: /did you mean "limit"/ } });
});

t.test('quiet connections are told from busy ones', async t => {
  const [a] = await backends(t, 'a');
  const lb = await startAdministered(t, oneService({ backends: [a!.address] }, { threads: THREADS }));
  const [busy] = await open(t, lb, 2);
  const idle = async () => {
    await busy!.write('x');
    const { connections } = (await lb.api('GET', LIST)).json;
    const port = String(busy!.socket.localPort);
    const isBusy = (one: { client: string }) => one.client.endsWith(`:${port}`);
    return {
      busy: connections.find(isBusy).idle_seconds,
      quiet: connections.find((one: { client: string }) => !isBusy(one)).idle_seconds,
    };
  };
  await until('one is quiet for 1.5 s and the other is not', async () => {
    const seconds = await idle();
    return seconds.quiet > 1.5 && seconds.busy < 1.3;
  });
});

t.test('UDP flows are listed and closed too', async t => {
  const behind = await udpBackend(t, echoes);
  const lb = await startAdministered(
    t,
    oneService({ protocol: 'udp', backends: [behind.address] }, { threads: THREADS }),
  );
  const peer = await udpPeer(t);
  peer.send('hello', lb.port());
  await until('a flow', async () => (await lb.api('GET', LIST)).json.total === 1);
  const { json } = await lb.api('GET', LIST);
  t.match(json.connections[0], { backend: behind.address, bytes_in: 5 });
  t.match(await lb.api('POST', closeUrl(behind.address)), { status: 202, json: { closing: 1 } });
  t.match(await lb.log.only(), { reason: 'drained', detail: 'closed by operator' });
});

t.test('close: all that a backend has, whichever thread has it', async t => {
  const list = await backends(t, 'a', 'b');
  const [a, b] = list.map(({ address }) => address);
  const lb = await startAdministered(
    t,
    oneService({ strategy: 'least-connections', backends: [a!, b!] }, { threads: THREADS }),
  );
  await open(t, lb, 20);
  t.strictSame(active(lb), [10, 10]);
  t.match(await lb.api('POST', closeUrl(a!), { rate: '0' }), { status: 202, json: { closing: 10 } });
  const lines = await lb.log.finished(10);
  for (const line of lines) t.match(line, { backend: a, reason: 'drained', detail: 'closed by operator' });
  t.match(await lb.log.line('connections were closed'), { service: 'main', backend: a, closed: 10 });
  t.strictSame(active(lb), [0, 10], 'and no other');
  t.match(await lb.api('POST', closeUrl(a!)), { status: 202, json: { closing: 0 } });
});

t.test('close is paced, takes the quietest first and none that came later', async t => {
  const [a] = await backends(t, 'a');
  const lb = await startAdministered(t, oneService({ backends: [a!.address] }, { threads: THREADS }));
  const peers = await open(t, lb, 6);
  const [busy] = peers;
  // Only what moved since the last look counts as activity, and looks are a second apart.
  await until('quiet', async () => {
    const { connections } = (await lb.api('GET', LIST)).json;
    return connections.every((one: { idle_seconds: number }) => one.idle_seconds > 0.05);
  });
  await busy!.write('x');
  await busy!.reads(2);
  const start = Date.now();
  t.match(await lb.api('POST', closeUrl(a!.address), { rate: '10/s' }), { json: { closing: 6 } });
  const [late] = await open(t, lb, 1);
  const lines = await lb.log.finished(6);
  const took = Date.now() - start;
  t.ok(took >= 450, `5 more after the first, 10 a second: ${took} ms`);
  t.equal(lines[5]!.client, `127.0.0.1:${busy!.socket.localPort}`, 'the busy one is the last');
  await lb.log.line('connections were closed');
  await late!.write('x');
  await late!.reads(2);
  t.equal(lb.balancer.active, 1);
});

t.test('rates are checked; what is not there is not closed', async t => {
  const [a] = await backends(t, 'a');
  const lb = await startAdministered(t, oneService({ backends: [a!.address] }));
  for (const rate of ['5', 'x/s', '-1/s', 5, '9999999/s']) {
    const answer = await lb.api('POST', closeUrl(a!.address), { rate });
    t.match(answer, { status: 400, json: { error: /^body: rate: expected a rate/ } }, String(rate));
  }
  t.match(await lb.api('POST', closeUrl('x')), { status: 404 });
  t.match(await lb.api('POST', '/services/x/rebalance'), { status: 404 });
  t.throws(() => lb.balancer.closeConnections('main', a!.address, 0), { code: 'LB4_USAGE' });
});

t.test(
  'the connections of a backend that was removed can be closed before its drain time is over',
  async t => {
    const list = await backends(t, 'a', 'b');
    const [a, b] = list.map(({ address }) => address);
    const lb = await startAdministered(t, oneService({ strategy: 'first', backends: [a!, b!] }));
    await open(t, lb, 2);
    await lb.balancer.removeBackend('main', a!);
    t.match((await lb.api('GET', `${LIST}?backend=${encodeURIComponent(a!)}`)).json, { total: 2 });
    t.match(await lb.api('POST', closeUrl(a!)), { json: { closing: 2 } });
    await lb.log.finished(2);
  },
);

t.test('a second close takes the place of the first; ready again, new connections stay', async t => {
  const [a] = await backends(t, 'a');
  const lb = await startAdministered(t, oneService({ backends: [a!.address] }, { threads: THREADS }));
  await open(t, lb, 10);
  await lb.api('POST', closeUrl(a!.address), { rate: '1/h' });
  await lb.log.finished(1);
  await holds('an hour until the next', () => lb.balancer.active === 9, 250);
  t.match(await lb.api('POST', closeUrl(a!.address), { rate: '0' }), { json: { closing: 9 } });
  await lb.log.finished(10);
});

/** `count` clients that connect again whenever they are closed. */
function pool(t: Test, lb: Administered, count: number): void {
  let going = true;
  t.teardown(() => {
    going = false;
  });
  for (let n = 0; n < count; n++) {
    void (async () => {
      while (going)
        await client(t, lb.port())
          .end(3_600_000)
          .catch(() => undefined);
    })();
  }
}

t.test(
  'rebalance: a backend that came late gets its share, and no more is closed than that takes',
  async t => {
    const list = await backends(t, 'a', 'b', 'c');
    const [a, b, c] = list.map(({ address }) => address);
    const lb = await startAdministered(
      t,
      oneService({ backends: [`${a} name=a`, `${b} name=b weight=2`] }, { threads: THREADS }),
    );
    pool(t, lb, 24);
    await until('all there', () => lb.service().active === 24 && active(lb).join() === '8,16');
    await lb.balancer.addBackend('main', `${c} name=c weight=3`);
    t.match(await lb.api('POST', '/services/main/rebalance', { rate: '100/s' }), {
      status: 202,
      json: { closing: 12 },
    });
    t.match(await lb.log.line('connections were closed'), { service: 'main', closed: 12 });
    await until('level', () => active(lb).join() === '4,8,12');
    const lines = lb.log.connections;
    t.equal(lines.length, 12);
    for (const line of lines) t.match(line, { reason: 'drained', detail: 'closed to rebalance' });
    t.match(await lb.api('POST', '/services/main/rebalance'), { json: { closing: 0 } });
  },
);

t.test('rebalance: what backups have goes back to the primaries', async t => {
  const list = await backends(t, 'a', 'b');
  const [a, b] = list.map(({ address }) => address);
  const lb = await startAdministered(t, oneService({ backends: [`${a} name=a`, `${b} name=b backup`] }));
  lb.balancer.setState('main', 'a', 'drain');
  pool(t, lb, 5);
  await until('all on the backup', () => active(lb).join() === '0,5');
  lb.balancer.setState('main', 'a', 'ready');
  t.match(await lb.api('POST', '/services/main/rebalance', { rate: '0' }), { json: { closing: 5 } });
  await until('all back', () => active(lb).join() === '5,0');
});

t.test('rebalance is refused where clients would come back to where they were', async t => {
  const list = await backends(t, 'a', 'b');
  const services = (['ip-hash', 'maglev', 'first'] as const).map(kind => [
    kind,
    { listen: '127.0.0.1:0', strategy: kind, backends: list.map(({ address }): BackendInput => address) },
  ]);
  const lb = await startAdministered(t, config(Object.fromEntries(services)));
  for (const [kind] of services) {
    t.match(await lb.api('POST', `/services/${String(kind)}/rebalance`), {
      status: 409,
      json: { error: /sends each client where it was/ },
    });
  }
});

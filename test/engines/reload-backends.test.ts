import t from 'tap';
import type { ConfigInput } from '../../src/config/schema.js';
import { backend, echo, named, says } from '../fixtures/backends.js';
import { oneService, startBalancer } from '../fixtures/balancer.js';
import { ask, client } from '../fixtures/clients.js';
import { holds, until } from '../fixtures/until.js';

type Settings = Partial<ConfigInput['services'][string]>;

t.test('a removed backend drains: what is open goes on, nothing new comes', async t => {
  const list = await Promise.all(['a', 'b'].map(name => backend(t, named(name))));
  const [a, b] = list.map(({ address }) => address);
  const input = (backends: string[]) =>
    oneService({ strategy: 'round-robin', backends }, { drain_timeout: '30s' });
  const lb = await startBalancer(t, input([a!, b!]));
  const held = client(t, lb.port());
  await held.reads(1);
  t.equal(held.text, 'a');
  const diff = await lb.balancer.apply(input([b!]));
  t.strictSame(diff.changed[0]?.backends, { added: [], removed: [a], changed: [] });
  for (let n = 0; n < 5; n++) t.equal(await ask(t, lb.port(), '?'), 'b?');
  t.strictSame(
    lb.service().backends.map(({ id }) => id),
    [b],
    'it is no longer in the list',
  );
  t.strictSame(lb.service().leaving, [{ id: a, address: a, active: 1 }], 'but what it still has is shown');
  await held.write('still here');
  await held.reads(11);
  t.equal(held.text, 'astill here');
  t.match(await lb.log.line('backend is draining'), { backend: a, reason: 'no longer in the configuration' });
  held.finish();
  await held.end();
  await lb.idle();
  t.match(lb.log.connections.at(-1), { backend: a, reason: 'client_closed' });
  t.strictSame(lb.service().leaving, []);
});

t.test('when the drain time is over the rest is closed: reason drained', async t => {
  const list = await Promise.all(['a', 'b'].map(name => backend(t, named(name))));
  const [a, b] = list.map(({ address }) => address);
  const input = (backends: string[]) =>
    oneService({ strategy: 'round-robin', backends }, { drain_timeout: '400ms' });
  const lb = await startBalancer(t, input([a!, b!]));
  const held = Array.from({ length: 6 }, () => client(t, lb.port()));
  for (const peer of held) await peer.reads(1);
  const start = Date.now();
  await lb.balancer.apply(input([b!]));
  const lines = await lb.log.finished(3);
  t.ok(Date.now() - start >= 390, 'not before its time');
  for (const line of lines) t.match(line, { backend: a, reason: 'drained' });
  for (const peer of held.filter(({ text }) => text === 'a')) t.ok(await peer.end(), 'the client is told');
  await holds('those of the other backend stay', () => lb.balancer.active === 3, 100);
});

t.test('the drain time of the new configuration counts', async t => {
  const list = await Promise.all(['a', 'b'].map(name => backend(t, named(name))));
  const [a, b] = list.map(({ address }) => address);
  const lb = await startBalancer(
    t,
    oneService({ strategy: 'first', backends: [a!, b!] }, { drain_timeout: '1h' }),
  );
  const held = client(t, lb.port());
  await held.reads(1);
  await lb.balancer.apply(oneService({ strategy: 'first', backends: [b!] }, { drain_timeout: '100ms' }));
  t.match(await lb.log.only(), { backend: a, reason: 'drained' });
});

t.test('drain_timeout 0: as long as it takes', async t => {
  const list = await Promise.all(['a', 'b'].map(name => backend(t, named(name))));
  const [a, b] = list.map(({ address }) => address);
  const lb = await startBalancer(
    t,
    oneService({ strategy: 'first', backends: [a!, b!] }, { drain_timeout: '0s' }),
  );
  const held = client(t, lb.port());
  await held.reads(1);
  await lb.balancer.apply(oneService({ strategy: 'first', backends: [b!] }, { drain_timeout: '0s' }));
  await holds('open', () => lb.balancer.active === 1, 300);
});

t.test('a backend that comes back while it drains is the one it was', async t => {
  const list = await Promise.all(['a', 'b'].map(name => backend(t, named(name))));
  const [a, b] = list.map(({ address }) => address);
  const input = (backends: string[]) =>
    oneService({ strategy: 'first', backends }, { drain_timeout: '700ms' });
  const lb = await startBalancer(t, input([a!, b!]));
  const held = client(t, lb.port());
  await held.reads(1);
  for (let n = 0; n < 3; n++) {
    await lb.balancer.apply(input([b!]));
    await lb.balancer.apply(input([a!, b!]));
  }
  t.match(lb.service().backends[0], { id: a, active: 1, total: 1 }, 'it has its counts and its connection');
  const second = client(t, lb.port());
  await second.reads(1);
  t.equal(second.text, 'a', 'and gets traffic again');
  await holds('no timer from before closes anything', () => lb.balancer.active === 2, 1_000);
});

t.test('removed, back, removed: the last time counts', async t => {
  const list = await Promise.all(['a', 'b'].map(name => backend(t, named(name))));
  const [a, b] = list.map(({ address }) => address);
  const input = (backends: string[]) => oneService({ strategy: 'first', backends }, { drain_timeout: '1s' });
  const lb = await startBalancer(t, input([a!, b!]));
  const held = client(t, lb.port());
  await held.reads(1);
  await lb.balancer.apply(input([b!]));
  await holds('open', () => lb.balancer.active === 1, 600);
  await lb.balancer.apply(input([a!, b!]));
  const start = Date.now();
  await lb.balancer.apply(input([b!]));
  t.match(await lb.log.only(), { reason: 'drained' });
  t.ok(Date.now() - start >= 900, `a whole drain time again, not ${Date.now() - start} ms`);
});

t.test('health, counters and last_check of a backend that stays survive', async t => {
  const list = await Promise.all(['a', 'b', 'c'].map(name => backend(t, says(name))));
  const [a, b, c] = list.map(({ address }) => address);
  const health = { kind: 'tcp' as const, interval: '1h', rise: 1, fall: 1 };
  const input = (backends: string[], more: Settings = {}) =>
    oneService({ strategy: 'round-robin', health, backends, ...more });
  const lb = await startBalancer(t, input([a!, b!]));
  await until('up', () => lb.service().backends.every(({ state }) => state === 'up'));
  for (let n = 0; n < 6; n++) await ask(t, lb.port());
  await lb.idle();
  const before = lb.service().backends;
  t.match(before[0], { total: 3, bytes_out: 3 });
  await lb.balancer.apply(input([c!, a!], { timeouts: { idle: '1h' }, strategy: 'least-connections' }));
  const [added, kept] = lb.service().backends;
  t.strictSame(kept, before[0], 'the same in every field');
  t.match(added, { id: c, total: 0 });
  t.equal(list[0]!.peers.length, 3 + 1, 'it was not probed again');
});

t.test('a reload does not make a backend that is down usable', async t => {
  const alive = await backend(t, says('alive'));
  const input = (more: Settings = {}) =>
    oneService({
      strategy: 'round-robin',
      backends: ['127.0.0.1:1', alive.address],
      health: { kind: 'tcp', interval: '1h', fall: 1, rise: 1 },
      ...more,
    });
  const lb = await startBalancer(t, input());
  await until('down', () => lb.service().backends[0]!.state === 'down');
  const { down_reason } = lb.service().backends[0]!;
  await lb.balancer.apply(input({ strategy: 'random', timeouts: { connect: '1s' } }));
  t.match(lb.service().backends[0], { state: 'down', down_reason });
  for (let n = 0; n < 4; n++) t.equal(await ask(t, lb.port()), 'alive');
  for (const line of await lb.log.finished(4)) t.equal(line.attempts, 1);
});

t.test('weight, backup and max_connections of a running backend', async t => {
  const list = await Promise.all(['a', 'b'].map(name => backend(t, named(name))));
  const [a, b] = list.map(({ address }) => address);
  const input = (backends: string[]) => oneService({ strategy: 'weighted-round-robin', backends });
  const lb = await startBalancer(t, input([a!, b!]));
  const open = async (count: number) => {
    const peers = Array.from({ length: count }, () => client(t, lb.port()));
    for (const peer of peers) await peer.reads(1);
    return peers
      .map(({ text }) => text)
      .sort()
      .join('');
  };
  t.equal(await open(4), 'aabb');
  await lb.balancer.apply(input([`${a} weight=3`, b!]));
  t.equal(await open(4), 'aaab');
  t.strictSame(
    lb.service().backends.map(({ weight }) => weight),
    [3, 1],
  );
  await lb.balancer.apply(input([`${a} weight=3 max_connections=6`, b!]));
  t.equal(await open(4), 'abbb', 'a has five already');
  await lb.balancer.apply(input([`${a} weight=3`, `${b} backup`]));
  t.equal(await open(3), 'aaa');
  await lb.balancer.apply(input([`${a} weight=0`, b!]));
  t.equal(await open(3), 'bbb');
  t.equal(lb.service().active, 18, 'nobody was closed');
});

t.test('disabled toggled: maintenance and back', async t => {
  const list = await Promise.all(['a', 'b'].map(name => backend(t, named(name))));
  const [a, b] = list.map(({ address }) => address);
  const input = (word: string) => oneService({ strategy: 'first', backends: [`${a} ${word}`.trim(), b!] });
  const lb = await startBalancer(t, input(''));
  const held = client(t, lb.port());
  await held.reads(1);
  await lb.balancer.apply(input('disabled'));
  t.equal(lb.service().backends[0]!.state, 'maintenance');
  t.equal(await ask(t, lb.port(), '?'), 'b?');
  await held.write('x');
  await held.reads(2);
  await lb.balancer.apply(input('disabled'));
  t.equal(lb.service().backends[0]!.state, 'maintenance', 'a reload without a change leaves it alone');
  await lb.balancer.apply(input(''));
  t.not(lb.service().backends[0]!.state, 'maintenance');
  t.equal(await ask(t, lb.port(), '?'), 'a?');
});

t.test('a backend whose address changed is another one; a renamed one is the same', async t => {
  const list = await Promise.all(['a', 'b'].map(name => backend(t, named(name))));
  const [a, b] = list.map(({ address }) => address);
  const lb = await startBalancer(t, oneService({ backends: [`${a} name=db`] }));
  const held = client(t, lb.port());
  await held.reads(1);
  await lb.balancer.apply(oneService({ backends: [`${a} name=primary`] }));
  t.match(lb.service().backends, [{ id: 'primary', address: a, active: 1, total: 1 }]);
  await lb.balancer.apply(oneService({ backends: [`${b} name=primary`] }));
  t.match(lb.service().backends, [{ id: 'primary', address: b, active: 0, total: 0 }]);
  t.equal(await ask(t, lb.port(), '?'), 'b?');
  await held.write('x');
  await held.reads(2);
  t.equal(held.text, 'ax', 'the connection to the old address drains');
});

t.test('the connections of a removed service drain, its listener is gone', async t => {
  const behind = await backend(t, echo);
  const two: ConfigInput = {
    admin: { listen: 'off' },
    runtime: { drain_timeout: '400ms' },
    services: {
      main: { listen: '127.0.0.1:0', backends: [behind.address] },
      other: { listen: '127.0.0.1:0', backends: [behind.address] },
    },
  };
  const lb = await startBalancer(t, two);
  const port = lb.port('other');
  const held = client(t, port);
  await held.write('x');
  await held.reads(1);
  const diff = await lb.balancer.apply({ ...two, services: { main: two.services.main! } });
  t.strictSame(diff.removed, ['other']);
  const late = client(t, port);
  t.notOk(await late.end(), 'refused');
  await held.write('y');
  await held.reads(2);
  t.equal(held.text, 'xy');
  t.match(await lb.log.only(), { service: 'other', reason: 'drained' });
  t.equal(lb.balancer.snapshot().services.length, 1);
  await lb.balancer.apply(two);
  t.equal(await ask(t, lb.port('other'), 'again'), 'again', 'a service may come back');
});

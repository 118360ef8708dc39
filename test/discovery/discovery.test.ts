import t, { type Test } from 'tap';
import { Discovery } from '../../src/discovery/discovery.js';
import type { AddressRecord } from '../../src/discovery/resolver.js';
import { FakeClock } from '../health/fake-clock.js';
import { dnsError, entry, FakeResolver, lines } from './helpers.js';

function setUp(t: Test) {
  const clock = new FakeClock();
  const resolver = new FakeResolver();
  const changes: string[][] = [];
  const events: string[] = [];
  const amiss = new Set<string>();
  const discovery = new Discovery({
    clock,
    resolver,
    isAmiss: ({ id }) => amiss.has(id),
    random: () => 0,
    onChange: list => changes.push(lines(list)),
    onFailure: (from, reason) => events.push(`${from.id} failed: ${reason}`),
    onRecovery: from => events.push(`${from.id} recovered`),
  });
  t.teardown(() => discovery.stop());
  return { clock, resolver, changes, events, discovery, amiss };
}

/** A look-up that is answered by hand. */
function later() {
  let answer: (records: AddressRecord[]) => void = () => {};
  const promise = new Promise<AddressRecord[]>(resolve => {
    answer = resolve;
  });
  return { promise, answer };
}

t.test('literal addresses are there before anything is looked up', async t => {
  const { discovery, resolver, changes } = setUp(t);
  const used = discovery.use([
    entry('10.0.0.2:80'),
    entry('10.0.0.1:80', { id: 'one', backup: true }),
    entry('unix:/x'),
  ]);
  t.strictSame(changes, [['10.0.0.2:80=10.0.0.2:80*1', 'one=10.0.0.1:80*1+b', 'unix:/x=/x*1']]);
  await used;
  t.strictSame(resolver.asked, []);
});

t.test('every address of a name is a backend, in file order and then address order', async t => {
  const { discovery, resolver, changes } = setUp(t);
  resolver.set('db', '10.0.0.10', '::1', '10.0.0.9');
  resolver.set('other', '10.1.0.1');
  await discovery.use([entry('db:80', { weight: 3 }), entry('10.0.0.1:80'), entry('other:80')]);
  t.strictSame(changes.at(-1), [
    'db:80=10.0.0.9:80*3',
    'db:80@10.0.0.10=10.0.0.10:80*3',
    'db:80@::1=::1:80*3',
    '10.0.0.1:80=10.0.0.1:80*1',
    'other:80=10.1.0.1:80*1',
  ]);
  t.strictSame(lines(discovery.current), changes.at(-1));
});

t.test('onChange only on real change: a rotated answer is none', async t => {
  const { discovery, clock, resolver, changes } = setUp(t);
  resolver.set('db', '10.0.0.1', '10.0.0.2');
  await discovery.use([entry('db:80')]);
  resolver.set('db', '10.0.0.2', '10.0.0.1');
  await clock.advance(10_000);
  t.equal(resolver.asked.length, 2);
  t.equal(changes.length, 1);
  resolver.set('db', '10.0.0.2', '10.0.0.3');
  await clock.advance(10_000);
  t.strictSame(changes.at(-1), ['db:80@10.0.0.2=10.0.0.2:80*1', 'db:80=10.0.0.3:80*1']);
});

t.test('asked again when the shortest TTL is over; floor 1 s, default 10 s, cap 1 h', async t => {
  for (const [ttls, wait] of [
    [[30, 5], 5_000],
    [[0], 1_000],
    [[2_000_000_000], 3_600_000],
    [[undefined], 10_000],
  ] as const) {
    const { discovery, clock, resolver } = setUp(t);
    resolver.hosts.set(
      'db',
      ttls.map((ttl, i) => ({ address: `10.0.0.${i + 1}`, ttl })),
    );
    await discovery.use([entry('db:80')]);
    await clock.advance(wait - 1);
    t.equal(resolver.asked.length, 1, `TTL ${ttls}`);
    await clock.advance(1);
    t.equal(resolver.asked.length, 2, `TTL ${ttls}`);
  }
});

t.test('the floor of 1 s holds for look-ups that are spread', async t => {
  const clock = new FakeClock();
  const resolver = new FakeResolver();
  resolver.hosts.set('db', [{ address: '10.0.0.1', ttl: 0 }]);
  const discovery = new Discovery({ clock, resolver, random: () => 0.99, onChange: () => {} });
  t.teardown(() => discovery.stop());
  await discovery.use([entry('db:80')]);
  await clock.advance(999);
  t.equal(resolver.asked.length, 1);
  await clock.advance(1);
  t.equal(resolver.asked.length, 2);
});

t.test('a name whose backend is down is looked up soon, and not trusted for long', async t => {
  const { discovery, clock, resolver, changes, amiss } = setUp(t);
  resolver.hosts.set('db', [{ address: '10.0.0.1', ttl: 600 }]);
  const [db, literal] = [entry('db:80'), entry('10.9.9.9:80')];
  await discovery.use([db, literal]);
  await clock.advance(300);
  amiss.add('db:80');
  discovery.suspect(db);
  discovery.suspect(literal);
  discovery.suspect(entry('gone:80'));
  await clock.advance(699);
  t.equal(resolver.asked.length, 1, 'the floor of 1 s holds');
  await clock.advance(1);
  t.equal(resolver.asked.length, 2);
  await clock.advance(9_999);
  t.equal(resolver.asked.length, 2);
  resolver.hosts.set('db', [{ address: '10.0.0.2', ttl: 600 }]);
  await clock.advance(1);
  t.equal(resolver.asked.length, 3, 'again after 10 s, not after the TTL');
  t.match(changes.at(-1), ['db:80=10.0.0.2:80*1', /./]);
  amiss.clear();
  await clock.advance(10_000);
  t.equal(resolver.asked.length, 4);
  await clock.advance(599_999);
  t.equal(resolver.asked.length, 4, 'the TTL counts again');
});

t.test('a look-up that is under way is not begun a second time', async t => {
  const { discovery, clock, resolver } = setUp(t);
  const slow = later();
  resolver.hosts.set('slow', slow.promise);
  const slowEntry = entry('slow:80');
  void discovery.use([slowEntry]);
  await clock.advance(2_000);
  discovery.suspect(slowEntry);
  await clock.advance(20_000);
  t.equal(resolver.asked.length, 1);
  slow.answer([{ address: '10.0.0.1' }]);
  await clock.advance(10_000);
  t.equal(resolver.asked.length, 2, 'and goes on as usual');
});

t.test('SRV: asked again after 10 s at most, as nobody tells its TTL', async t => {
  const { discovery, clock, resolver } = setUp(t);
  resolver.services.set('_x._tcp.y', [{ name: 'a', port: 1, priority: 1, weight: 1 }]);
  resolver.hosts.set('a', [{ address: '10.0.0.1', ttl: 3_600 }]);
  const asked = () => resolver.asked.filter(name => name === '_x._tcp.y').length;
  await discovery.use([entry('srv:_x._tcp.y')]);
  await clock.advance(9_999);
  t.equal(asked(), 1);
  resolver.hosts.set('a', [{ address: '10.0.0.1', ttl: 2 }]);
  await clock.advance(1);
  t.equal(asked(), 2);
  await clock.advance(2_000);
  t.equal(asked(), 3, 'sooner where the targets are known for less');
});

t.test('a failed look-up keeps the last good answer, is said once, and is retried soon', async t => {
  const { discovery, clock, resolver, changes, events } = setUp(t);
  resolver.set('db', '10.0.0.1');
  await discovery.use([entry('db:80')]);
  resolver.hosts.set('db', dnsError('ESERVFAIL'));
  await clock.advance(10_000);
  t.equal(resolver.asked.length, 2);
  await clock.advance(1_000 + 2_000 + 4_000 + 8_000);
  t.equal(resolver.asked.length, 6);
  await clock.advance(50_000);
  t.equal(resolver.asked.length, 11, 'no longer apart than 10 s');
  t.strictSame(events, ['db:80 failed: the name server failed']);
  t.strictSame(lines(discovery.current), ['db:80=10.0.0.1:80*1']);
  resolver.set('db', '10.0.0.2');
  await clock.advance(10_000);
  t.strictSame(changes.at(-1), ['db:80=10.0.0.2:80*1']);
  resolver.hosts.set('db', dnsError('ENOTFOUND'));
  await clock.advance(10_000);
  t.strictSame(events, [
    'db:80 failed: the name server failed',
    'db:80 recovered',
    'db:80 failed: name not found',
  ]);
});

t.test('an empty answer counts as a failure', async t => {
  const { discovery, resolver, events } = setUp(t);
  resolver.set('db');
  await discovery.use([entry('db:80')]);
  t.strictSame(events, ['db:80 failed: no address for the name']);
});

t.test('a name that fails or hangs holds back neither the others nor the start', async t => {
  const { discovery, clock, resolver, changes, events } = setUp(t);
  const slow = later();
  resolver.hosts.set('slow', slow.promise);
  resolver.set('good', '10.0.0.1');
  let started = false;
  void discovery.use([entry('slow:80'), entry('bad:80'), entry('good:80')]).then(() => {
    started = true;
  });
  await clock.advance(2_999);
  t.strictSame(changes.at(-1), ['good:80=10.0.0.1:80*1']);
  t.equal(started, false, 'it waits a few seconds');
  await clock.advance(1);
  t.equal(started, true);
  await clock.advance(20_000);
  t.strictSame(events, ['bad:80 failed: name not found', 'slow:80 failed: no answer in 5s']);
  t.equal(resolver.asked.filter(name => name === 'slow').length, 1, 'one look-up at a time');
  slow.answer([{ address: '10.0.0.7' }]);
  await clock.advance(0);
  t.strictSame(changes.at(-1), ['slow:80=10.0.0.7:80*1', 'good:80=10.0.0.1:80*1']);
  t.equal(events.at(-1), 'slow:80 recovered');
});

t.test('the start ends as soon as every name has answered or failed', async t => {
  const { discovery, resolver } = setUp(t);
  resolver.set('good', '10.0.0.1');
  await discovery.use([entry('bad:80'), entry('good:80')]);
  t.strictSame(lines(discovery.current), ['good:80=10.0.0.1:80*1']);
});

t.test('SRV: targets, ports and weights; the lowest priority is primary, all others are backups', async t => {
  const { discovery, resolver, changes } = setUp(t);
  resolver.services.set('_pg._tcp.example.com', [
    { name: 'b.example.com', port: 5433, priority: 20, weight: 0 },
    { name: 'a.example.com', port: 5432, priority: 10, weight: 60 },
    { name: 'c.example.com', port: 5432, priority: 10, weight: 20 },
  ]);
  resolver.set('a.example.com', '10.0.0.1', '10.0.0.4');
  resolver.set('b.example.com', '10.0.0.2');
  resolver.set('c.example.com', '10.0.0.3');
  await discovery.use([entry('srv:_pg._tcp.example.com', { weight: 2 })]);
  t.strictSame(changes, [
    [
      'a.example.com:5432=10.0.0.1:5432*120',
      'b.example.com:5433=10.0.0.2:5433*2+b',
      'c.example.com:5432=10.0.0.3:5432*40',
      'a.example.com:5432@10.0.0.4=10.0.0.4:5432*120',
    ],
  ]);
});

t.test('SRV: a target that cannot be looked up keeps its last good addresses and new weights', async t => {
  const { discovery, clock, resolver, changes, events } = setUp(t);
  const records = (weight: number) => [
    { name: 'a', port: 1, priority: 1, weight },
    { name: 'b', port: 1, priority: 1, weight },
  ];
  resolver.services.set('_x._tcp.y', records(1));
  resolver.set('a', '10.0.0.1');
  resolver.set('b', '10.0.0.2');
  await discovery.use([entry('srv:_x._tcp.y')]);
  resolver.services.set('_x._tcp.y', records(5));
  resolver.hosts.set('b', dnsError('ETIMEOUT'));
  await clock.advance(10_000);
  t.strictSame(changes.at(-1), ['a:1=10.0.0.1:1*5', 'b:1=10.0.0.2:1*5']);
  await clock.advance(5_000);
  t.strictSame(events, ['srv:_x._tcp.y failed: b:1: no answer from the name server']);
  resolver.set('b', '10.0.0.3');
  await clock.advance(10_000);
  t.strictSame(changes.at(-1), ['a:1=10.0.0.1:1*5', 'b:1=10.0.0.3:1*5']);
  t.equal(events.at(-1), 'srv:_x._tcp.y recovered');
});

t.test('SRV: "." means that there is no such service; no target at all is a failure', async t => {
  const { discovery, resolver, events } = setUp(t);
  resolver.services.set('_x._tcp.y', [{ name: '.', port: 0, priority: 0, weight: 0 }]);
  resolver.services.set('_x._tcp.z', [{ name: 'gone', port: 1, priority: 0, weight: 0 }]);
  await discovery.use([entry('srv:_x._tcp.y'), entry('srv:_x._tcp.z')]);
  t.strictSame(events, ['srv:_x._tcp.y failed: no targets', 'srv:_x._tcp.z failed: gone:1: name not found']);
});

t.test('a reload keeps what did not change, takes new weights at once, and drops what is gone', async t => {
  const { discovery, clock, resolver, changes } = setUp(t);
  resolver.set('a', '10.0.0.1');
  resolver.set('b', '10.0.0.2');
  await discovery.use([entry('a:80'), entry('b:80')]);
  resolver.hosts.set('a', dnsError('ESERVFAIL'));
  resolver.asked.length = 0;
  await discovery.use([entry('c:80'), entry('a:80', { weight: 7 })]);
  t.strictSame(changes.at(-1), ['a:80=10.0.0.1:80*7']);
  t.strictSame(resolver.asked, ['c']);
  await clock.advance(60_000);
  t.notOk(resolver.asked.includes('b'), 'what is gone is not looked up any more');
  t.strictSame(lines(discovery.current), ['a:80=10.0.0.1:80*7']);
});

t.test('look-ups of many names do not stay in step', async t => {
  const clock = new FakeClock();
  const resolver = new FakeResolver();
  let n = 0;
  const random = () => (n++ % 10) / 10;
  const discovery = new Discovery({ clock, resolver, random, onChange: () => {} });
  t.teardown(() => discovery.stop());
  const names = Array.from({ length: 100 }, (_, i) => `n${i}`);
  for (const [i, name] of names.entries()) resolver.set(name, `10.0.1.${i}`);
  await discovery.use(names.map(name => entry(`${name}:80`)));
  await clock.advance(9_105);
  t.equal(resolver.asked.length, 100 + 10, 'a tenth of them is due by now');
  await clock.advance(895);
  t.equal(resolver.asked.length, 200);
});

t.test('after stop nothing is looked up or said, and waiting ends', async t => {
  const { discovery, clock, resolver, changes, events } = setUp(t);
  const slow = later();
  resolver.hosts.set('slow', slow.promise);
  const used = discovery.use([entry('slow:80')]);
  await clock.advance(10);
  discovery.stop();
  await used;
  slow.answer([{ address: '10.0.0.1' }]);
  await clock.advance(60_000);
  t.strictSame(changes, []);
  t.strictSame(events, []);
  await discovery.use([entry('10.0.0.1:80')]);
  t.strictSame(changes, []);
});

t.test('SRV targets that are no host names, or have no port, are left out and told of', async t => {
  const { discovery, resolver, events } = setUp(t);
  const record = { port: 1, priority: 1, weight: 1 };
  resolver.set('good', '10.0.0.1');
  resolver.services.set('_x._tcp.y', [
    { ...record, name: 'a b\\027[2J' },
    { ...record, name: 'good' },
    { ...record, name: 'good', port: 0 },
  ]);
  await discovery.use([entry('srv:_x._tcp.y')]);
  t.strictSame(lines(discovery.current), ['good:1=10.0.0.1:1*1']);
  t.strictSame(resolver.asked, ['_x._tcp.y', 'good'], 'they are not looked up either');
  const why = 'expected targets with a host name and a port, got "a b\\\\027[2J" and 1';
  t.match(events.join(), why);
});

t.test('what one name stands for is bounded, whoever answers', async t => {
  const { discovery, resolver, events } = setUp(t);
  const many = Array.from({ length: 5_000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
  resolver.set('big', ...many);
  const record = { port: 1, priority: 1, weight: 1 };
  const targets = Array.from({ length: 300 }, (_, i) => ({ ...record, name: `t${i}` }));
  for (const { name } of targets) resolver.set(name, '10.1.0.1');
  resolver.services.set('_x._tcp.y', targets);
  await discovery.use([entry('big:1'), entry('srv:_x._tcp.y')]);
  t.equal(
    discovery.current.filter(({ endpoint }) => 'host' in endpoint && endpoint.host !== '10.1.0.1').length,
    4_096,
  );
  t.equal(resolver.asked.filter(name => name.startsWith('t')).length, 256);
  t.match(events.join(), /big:1 failed: 5000 addresses, of which the first 4096 are taken/);
  t.match(events.join(), /300 targets, of which 256 are looked up/);
});

t.test('a list that could not be taken is offered again', async t => {
  const clock = new FakeClock();
  const resolver = new FakeResolver();
  const taken: string[][] = [];
  const failures: string[] = [];
  let full = false;
  const discovery = new Discovery({
    clock,
    resolver,
    random: () => 0,
    onChange: list => {
      if (full) throw new Error('no room');
      taken.push(lines(list));
    },
    onFailure: (_, reason) => failures.push(reason),
  });
  t.teardown(() => discovery.stop());
  resolver.set('db', '10.0.0.1');
  await discovery.use([entry('db:80')]);
  full = true;
  resolver.set('db', '10.0.0.1', '10.0.0.2');
  await clock.advance(11_000);
  t.match(failures, [/no room/]);
  t.equal(lines(discovery.current).length, 1);
  full = false;
  await clock.advance(30_000);
  t.equal(taken.at(-1)!.length, 2);
});

import t, { type Test } from 'tap';
import { Discovery } from '../../src/discovery/discovery.js';
import { dnsResolver } from '../../src/discovery/dns.js';
import { lookupReason } from '../../src/discovery/resolver.js';
import { dnsServer } from './dns-server.js';
import { entry, lines } from './helpers.js';

function setUp(t: Test, address: string) {
  const events: string[] = [];
  const discovery = new Discovery({
    resolver: dnsResolver([address], { timeoutMs: 500, tries: 1 }),
    random: () => 0,
    onChange: list => events.push(lines(list).join(' ')),
    onFailure: (from, reason) => events.push(`${from.id} failed: ${reason}`),
    onRecovery: from => events.push(`${from.id} recovered`),
  });
  t.teardown(() => discovery.stop());
  return { discovery, events };
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('expected it within 15 s');
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}

t.test('A and AAAA answers of a real name server, followed as they change', async t => {
  const dns = await dnsServer(t);
  dns.set('A', 'db.test', 1, '10.0.0.2', '10.0.0.1');
  dns.set('AAAA', 'db.test', 60, '2001:db8:0:0:0:0:0:1');
  const { discovery, events } = setUp(t, dns.address);
  await discovery.use([entry('db.test:80')]);
  const first = 'db.test:80=10.0.0.1:80*1 db.test:80@10.0.0.2=10.0.0.2:80*1';
  t.strictSame(events, [`${first} db.test:80@2001:db8::1=2001:db8::1:80*1`]);

  dns.set('AAAA', 'db.test', 60);
  await until(() => events.length === 2);
  t.equal(events[1], first, 'no AAAA any more: the A answer stands alone');

  dns.rcode = 2;
  await until(() => events.length === 3);
  t.equal(events[2], 'db.test:80 failed: the name server failed');
  t.equal(lines(discovery.current).join(' '), first, 'the last good answer stands');

  dns.rcode = 0;
  dns.set('A', 'db.test', 1, '10.0.0.3');
  await until(() => events.length === 5);
  t.strictSame(events.slice(3), ['db.test:80=10.0.0.3:80*1', 'db.test:80 recovered']);
});

t.test('SRV answers of a real name server', async t => {
  const dns = await dnsServer(t);
  dns.set('SRV', '_pg._tcp.test', 1, '10 60 5432 a.test', '20 1 5433 b.test');
  dns.set('A', 'a.test', 1, '10.0.0.1');
  dns.set('A', 'b.test', 1, '10.0.0.2');
  const { discovery, events } = setUp(t, dns.address);
  await discovery.use([entry('srv:_pg._tcp.test'), entry('nowhere.test:80')]);
  t.strictSame([...events].sort(), [
    'a.test:5432=10.0.0.1:5432*60 b.test:5433=10.0.0.2:5433*1+b',
    'nowhere.test:80 failed: name not found',
  ]);
  dns.set('SRV', '_pg._tcp.test', 1, '10 5 5433 b.test');
  await until(() => events.length === 3);
  t.equal(events[2], 'b.test:5433=10.0.0.2:5433*5');
  t.ok(dns.seen.includes('SRV _pg._tcp.test') && dns.seen.includes('AAAA a.test'));
});

t.test('a name server that does not answer', async t => {
  const { discovery, events } = setUp(t, '127.0.0.1:1');
  await discovery.use([entry('db.test:80')]);
  t.match(events, [/^db\.test:80 failed: (no name server reachable|no answer from the name server)$/]);
});

t.test('a family that cannot be had keeps its last good answer, and is soon asked for again', async t => {
  const dns = await dnsServer(t);
  const resolver = dnsResolver([dns.address], { timeoutMs: 500, tries: 1 });
  dns.set('A', 'db.test', 60, '10.0.0.1');
  dns.set('AAAA', 'db.test', 60, '2001:db8:0:0:0:0:0:1');
  const both = await resolver.addresses('db.test');
  t.strictSame(both, [
    { address: '10.0.0.1', ttl: 60 },
    { address: '2001:db8::1', ttl: 60 },
  ]);
  dns.failing.add('AAAA');
  dns.set('A', 'db.test', 60, '10.0.0.2');
  t.strictSame(await resolver.addresses('db.test'), [
    { address: '10.0.0.2', ttl: 60 },
    { address: '2001:db8::1', ttl: 5 },
  ]);
  dns.failing.clear();
  dns.set('AAAA', 'db.test', 60);
  t.strictSame(
    await resolver.addresses('db.test'),
    [{ address: '10.0.0.2', ttl: 60 }],
    'it is gone for good',
  );
  dns.failing.add('AAAA');
  t.strictSame(await resolver.addresses('db.test'), [{ address: '10.0.0.2', ttl: 60 }], 'and forgotten');
  dns.failing.add('A');
  await t.rejects(resolver.addresses('db.test'), { code: 'ESERVFAIL' }, 'nothing at all is no answer');
});

t.test('reasons of errors that are not known are their messages', async t => {
  t.equal(lookupReason(new Error('odd')), 'odd');
  t.equal(lookupReason('odd'), 'odd');
});

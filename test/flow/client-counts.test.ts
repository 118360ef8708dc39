import fc from 'fast-check';
import t from 'tap';
import { Peer } from '../../src/address.js';
import { ClientCounts } from '../../src/flow/client-counts.js';

const ip = (text: string, port = 1) => new Peer().setText(text, port);

t.test('a limit of connections, whatever the port', async t => {
  const counts = new ClientCounts({ maxActive: 2, perSecond: 0 });
  t.equal(counts.acquire(ip('10.0.0.1', 1), 0), 'ok');
  t.equal(counts.acquire(ip('10.0.0.1', 2), 0), 'ok');
  t.equal(counts.acquire(ip('10.0.0.1', 3), 0), 'limit');
  t.equal(counts.acquire(ip('10.0.0.2', 3), 0), 'ok');
  counts.release(ip('10.0.0.1', 9));
  t.equal(counts.acquire(ip('::ffff:10.0.0.1', 3), 0), 'ok', 'a mapped address is the IPv4 one');
  for (let i = 0; i < 3; i++) counts.release(ip('10.0.0.1'));
  counts.release(ip('10.0.0.2'));
  counts.release(ip('10.0.0.3'));
  t.equal(counts.size, 0, 'nobody is remembered');
});

t.test('an IPv6 client is a /64', async t => {
  const counts = new ClientCounts({ maxActive: 1, perSecond: 0 });
  t.equal(counts.acquire(ip('2001:db8:1:2::1'), 0), 'ok');
  t.equal(counts.acquire(ip('2001:db8:1:2:ffff::9'), 0), 'limit');
  t.equal(counts.acquire(ip('2001:db8:1:3::1'), 0), 'ok');
  t.equal(counts.acquire(ip('2001:db9:1:2::1'), 0), 'ok');
  counts.release(ip('2001:db8:1:2:aaaa::'));
  t.equal(counts.activeOf(ip('2001:db8:1:2::1')), 0);
  t.equal(counts.acquire(ip('0.0.0.0'), 0), 'ok');
  t.equal(counts.acquire(ip('::1'), 0), 'ok', '::/64 is not 0.0.0.0');
});

t.test('a rate for each client', async t => {
  const counts = new ClientCounts({ maxActive: 0, perSecond: 2 });
  const a = ip('10.0.0.1');
  t.strictSame(
    [1, 2, 3].map(() => counts.acquire(a, 1_000)),
    ['ok', 'ok', 'rate'],
  );
  t.equal(counts.acquire(ip('10.0.0.2'), 1_000), 'ok');
  counts.release(a);
  counts.release(a);
  t.equal(counts.acquire(a, 1_400), 'rate', 'a client that left is still remembered');
  t.equal(counts.acquire(a, 1_500), 'ok');
  t.equal(counts.acquire(a, 500), 'rate', 'a clock that goes back gives nothing');
  t.equal(counts.acquire(a, 1_600), 'rate');
});

t.test('a connection refused by the limit costs no token', async t => {
  const counts = new ClientCounts({ maxActive: 1, perSecond: 1, burst: 2 });
  const a = ip('10.0.0.1');
  t.equal(counts.acquire(a, 0), 'ok');
  for (let i = 0; i < 5; i++) t.equal(counts.acquire(a, 0), 'limit');
  counts.release(a);
  t.equal(counts.acquire(a, 0), 'ok');
  counts.release(a);
  t.equal(counts.acquire(a, 0), 'rate');
});

t.test('idle clients with a full bucket are forgotten', async t => {
  const counts = new ClientCounts({ maxActive: 0, perSecond: 1 });
  const peer = new Peer();
  for (let i = 0; i < 1_000; i++) {
    counts.acquire(peer.setV4(i, 1), 0);
    counts.release(peer);
  }
  t.equal(counts.size, 1_000);
  for (let i = 0; i < 1_100; i++) {
    counts.acquire(peer.setV4(5_000 + i, 1), 60_000 + i * 2_000);
    counts.release(peer);
  }
  t.ok(counts.size < 10, `${counts.size} left`);
});

t.test('bounded: the longest idle makes room, active clients do not', async t => {
  const counts = new ClientCounts({ maxActive: 1, perSecond: 0.001 }, 3);
  t.equal(counts.acquire(ip('10.0.0.1'), 0), 'ok');
  for (const host of ['10.0.0.2', '10.0.0.3']) {
    t.equal(counts.acquire(ip(host), 0), 'ok');
    counts.release(ip(host));
  }
  t.equal(counts.acquire(ip('10.0.0.4'), 0), 'ok');
  t.equal(counts.size, 3);
  t.equal(counts.acquire(ip('10.0.0.3'), 0), 'rate', 'the later idle one is still known');
  t.equal(counts.acquire(ip('10.0.0.1'), 0), 'limit');
  t.equal(counts.acquire(ip('10.0.0.2'), 0), 'ok', 'the longest idle one was forgotten');
  t.equal(counts.acquire(ip('10.0.0.5'), 0), 'limit', 'three active clients fill the table');
  counts.release(ip('10.0.0.4'));
  t.equal(counts.acquire(ip('10.0.0.5'), 0), 'ok');
});

t.test('a client that came back is not idle', async t => {
  const counts = new ClientCounts({ maxActive: 1, perSecond: 1, burst: 2 }, 2);
  const a = ip('10.0.0.1');
  t.equal(counts.acquire(a, 0), 'ok');
  counts.release(a);
  t.equal(counts.acquire(a, 0), 'ok');
  t.equal(counts.acquire(ip('10.0.0.2'), 0), 'ok');
  t.equal(counts.acquire(ip('10.0.0.3'), 60_000), 'limit', 'neither fullness nor time push it out');
  t.equal(counts.activeOf(a), 1);
});

t.test('unix sockets and no limits: nothing is counted', async t => {
  const unix = new Peer();
  const limited = new ClientCounts({ maxActive: 1, perSecond: 1 });
  for (let i = 0; i < 5; i++) t.equal(limited.acquire(unix, 0), 'ok');
  limited.release(unix);
  t.equal(limited.size, 0);
  const off = new ClientCounts({ maxActive: 0, perSecond: 0 });
  t.notOk(off.enabled);
  t.equal(off.acquire(ip('10.0.0.1'), 0), 'ok');
  t.equal(off.size, 0);
});

t.test('new limits keep the counts', async t => {
  const counts = new ClientCounts({ maxActive: 3, perSecond: 5 });
  const a = ip('10.0.0.1');
  for (let i = 0; i < 3; i++) t.equal(counts.acquire(a, 0), 'ok');
  counts.configure({ maxActive: 2, perSecond: 0 });
  t.equal(counts.activeOf(a), 3);
  counts.release(a);
  t.equal(counts.acquire(a, 0), 'limit');
  counts.release(a);
  t.equal(counts.acquire(a, 0), 'ok');
});

t.test('agrees with a plain model', async () => {
  const action = fc.record({
    client: fc.nat(200),
    release: fc.boolean(),
    step: fc.constantFrom(0, 0, 10, 250),
  });
  fc.assert(
    fc.property(
      fc.array(action, { maxLength: 500 }),
      fc.nat(3),
      fc.constantFrom(0, 0.5, 4),
      (actions, maxActive, perSecond) => {
        const counts = new ClientCounts({ maxActive, perSecond });
        const model = new Map<number, { active: number; tokens: number; last: number }>();
        const burst = Math.max(1, perSecond);
        const peer = new Peer();
        let now = 0;
        for (const { client, release, step } of actions) {
          now += step;
          peer.setV4(0xfffffff0 + client, client);
          const m = model.get(client) ?? { active: 0, tokens: burst, last: now };
          model.set(client, m);
          if (release) {
            if (m.active === 0) continue;
            m.active--;
            counts.release(peer);
          } else {
            m.tokens = Math.min(burst, m.tokens + ((now - m.last) * perSecond) / 1_000);
            m.last = now;
            let want = 'ok';
            if (maxActive > 0 && m.active >= maxActive) want = 'limit';
            else if (perSecond > 0 && m.tokens < 1 - 1e-9) want = 'rate';
            else {
              m.tokens -= perSecond > 0 ? 1 : 0;
              m.active += maxActive > 0 || perSecond > 0 ? 1 : 0;
            }
            const got = counts.acquire(peer, now);
            if (got !== want) throw new Error(`${client} at ${now}: ${got}, expected ${want}`);
          }
          if (counts.activeOf(peer) !== m.active) throw new Error('active');
        }
        if (perSecond === 0 && counts.size !== [...model.values()].filter(m => m.active > 0).length) {
          throw new Error('idle clients are remembered for nothing');
        }
      },
    ),
    { numRuns: 500 },
  );
});

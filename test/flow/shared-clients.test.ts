import t from 'tap';
import { Peer } from '../../src/address.js';
import { ClientCounts, type ClientLimits } from '../../src/flow/client-counts.js';
import { SharedClients } from '../../src/flow/shared-clients.js';
import { CONTROL } from '../../src/pool/lock.js';
import { inThreads } from '../fixtures/threads.js';
import { holds } from '../fixtures/until.js';

const COUNTS = new URL('../../src/flow/client-counts.js', import.meta.url);
const PEER = new URL('../../src/address.js', import.meta.url).href;
const ip = (text: string) => new Peer().setText(text, 1);

function counter(buffer: SharedArrayBuffer, thread: number, limits: Partial<ClientLimits> = {}) {
  const counts = new ClientCounts({ maxActive: 0, perSecond: 0, ...limits });
  counts.share(buffer, thread);
  return counts;
}

t.test('two threads count as one', async t => {
  const buffer = SharedClients.create(2);
  const one = counter(buffer, 0, { maxActive: 3 });
  const two = counter(buffer, 1, { maxActive: 3 });
  const a = ip('10.0.0.1');
  t.strictSame(
    [one, two, one, two, one].map(counts => counts.acquire(a, 0)),
    ['ok', 'ok', 'ok', 'limit', 'limit'],
  );
  t.equal(two.activeOf(a), 3);
  t.equal(two.acquire(ip('2001:db8::1'), 0), 'ok', 'another client');
  one.release(a);
  t.equal(two.acquire(a, 0), 'ok');
  for (const counts of [one, two, two]) counts.release(a);
  two.release(ip('2001:db8::1'));
  t.strictSame([one.size, two.size], [0, 0]);

  const slow = [0, 1].map(thread => counter(buffer, thread, { perSecond: 2 }));
  t.strictSame(
    [0, 1, 0, 1].map(thread => slow[thread]!.acquire(a, 0)),
    ['ok', 'ok', 'rate', 'rate'],
  );
});

t.test('hammered by three threads: never above the limit, all back at the end', async t => {
  const threads = 3;
  const clients = 3;
  const buffer = SharedClients.create(threads, 16);
  // For each client how many connections there really are, counted outside of what is tested.
  const real = new SharedArrayBuffer(4 * clients);
  const results = await inThreads<{ got: number; refused: number; most: number }>(
    threads,
    COUNTS,
    { buffer, real, clients, peer: PEER },
    `const { Peer } = await import(data.peer);
     const counts = new lib.ClientCounts({ maxActive: 4, perSecond: 0 });
     counts.share(data.buffer, index);
     const real = new Int32Array(data.real);
     const peers = Array.from({ length: data.clients }, (_, i) => new Peer().setV4(i + 1, 1));
     const held = peers.map(() => 0);
     let seed = index + 1, got = 0, refused = 0, most = 0;
     const random = n => (seed = (seed * 48271) % 2147483647) % n;
     ready();
     for (let i = 0; i < 300_000; i++) {
       const c = random(data.clients);
       if (held[c] > 0 && random(2) === 0) {
         held[c]--;
         Atomics.sub(real, c, 1);
         counts.release(peers[c]);
       } else if (counts.acquire(peers[c], i) === 'ok') {
         held[c]++;
         got++;
         most = Math.max(most, Atomics.add(real, c, 1) + 1);
       } else refused++;
     }
     for (const [c, peer] of peers.entries()) {
       for (; held[c] > 0; held[c]--) {
         Atomics.sub(real, c, 1);
         counts.release(peer);
       }
     }
     return { got, refused, most };`,
  );
  for (const { got, refused, most } of results) {
    t.ok(got > 0 && refused > 0);
    t.ok(most <= 4, `${most} at once`);
  }
  const after = counter(buffer, 0, { maxActive: 4 });
  t.equal(after.size, 0);
  const shared = new SharedClients(buffer, CONTROL);
  for (const counted of [shared.active, ...shared.shares]) t.ok(counted.every(count => count === 0));
  // The table is still whole: it takes as many clients as it was made for.
  for (let i = 0; i < 16; i++) t.equal(after.acquire(new Peer().setV4(100 + i, 1), 0), 'ok');
  t.equal(after.acquire(new Peer().setV4(200, 1), 0), 'limit');
});

t.test('a rate for each client holds over all threads', async t => {
  const buffer = SharedClients.create(2);
  const taken = await inThreads<number>(
    2,
    COUNTS,
    { buffer, peer: PEER },
    `const { Peer } = await import(data.peer);
     const counts = new lib.ClientCounts({ maxActive: 0, perSecond: 1_000, burst: 10 });
     counts.share(data.buffer, index);
     const peer = new Peer().setV4(1, 1);
     let taken = 0;
     ready();
     for (let i = 0; i <= 200_000; i++) {
       if (counts.acquire(peer, i) !== 'ok') continue;
       taken++;
       counts.release(peer);
     }
     return taken;`,
  );
  const sum = taken[0]! + taken[1]!;
  // Ten at once and one each ms: neither more nor, as both ask all the time, less.
  t.ok(sum <= 200_010 && sum >= 200_000, `${taken.join(' + ')}`);
});

t.test('a thread that died takes its connections with it', async t => {
  const buffer = SharedClients.create(3);
  const limits = { maxActive: 2, perSecond: 1, burst: 4 };
  const [one, two] = [0, 1].map(thread => counter(buffer, thread, limits)) as [ClientCounts, ClientCounts];
  const [a, b] = [ip('10.0.0.1'), ip('10.0.0.2')];
  for (const counts of [one, two]) counts.acquire(a, 0);
  for (let i = 0; i < 2; i++) two.acquire(b, 0);
  t.equal(one.acquire(b, 0), 'limit');
  await SharedClients.writeOff(buffer, 1);
  t.strictSame([one.activeOf(a), one.activeOf(b), one.size], [1, 0, 2]);
  t.strictSame(
    [1, 2].map(() => one.acquire(b, 0)),
    ['ok', 'ok'],
  );
  for (const peer of [a, b, b]) one.release(peer);
  t.equal(one.acquire(b, 0), 'rate', 'what it took from the bucket is still taken');
  t.equal(one.acquire(ip('10.0.0.3'), 60_000), 'ok');
  t.equal(one.size, 1, 'and it is forgotten in its turn');
});

t.test('a thread that died in the middle of a change leaves a whole table', async t => {
  const buffer = SharedClients.create(2, 64);
  const one = counter(buffer, 0, { maxActive: 1 });
  for (let i = 1; i <= 40; i++) one.acquire(new Peer().setV4(i, 1), 0);
  const dead = new SharedClients(buffer, 1);
  dead.lock.acquire();
  // A new client, counted but not noted; one that is about to leave; and one whose slot is nowhere.
  const half = dead.table.insert(0, 0, 0, 77, 0);
  dead.active[half] = 1;
  dead.table.append(dead.table.find(0, 0, 0, 5, 0));
  dead.table.remove(dead.table.find(0, 0, 0, 6, 0));
  await SharedClients.writeOff(buffer, 1);
  t.equal(one.activeOf(new Peer().setV4(77, 1)), 0);
  t.equal(one.acquire(new Peer().setV4(5, 1), 0), 'limit');
  t.equal(one.acquire(new Peer().setV4(6, 1), 0), 'limit', 'what others have is found again');
  for (let i = 1; i <= 40; i++) one.release(new Peer().setV4(i, 1));
  t.equal(one.size, 0);
  for (let i = 1; i <= 64; i++) t.equal(one.acquire(new Peer().setV4(1_000 + i, 1), 0), 'ok');
  t.equal(one.acquire(new Peer().setV4(2_000, 1), 0), 'limit');
});

t.test('whoever holds the lock is waited for', async t => {
  const buffer = SharedClients.create(3);
  const living = new SharedClients(buffer, 0);
  counter(buffer, 1, { maxActive: 5 }).acquire(ip('10.0.0.1'), 0);
  living.lock.acquire();
  let done = false;
  const written = SharedClients.writeOff(buffer, 1).then(() => {
    done = true;
  });
  await holds('it waits', () => !done, 50);
  t.equal(living.active[0], 1, 'nothing is changed without the lock');
  living.lock.release();
  await written;
  t.equal(living.active[0], 0);
});

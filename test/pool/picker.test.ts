import t from 'tap';
import { Peer } from '../../src/address.js';
import type { PoolCandidate } from '../../src/pool/picker.js';
import { Fleet } from './fleet.js';

t.test('backups only when no primary is left', async t => {
  const fleet = new Fleet('round-robin', [{}, {}, { backup: true }, { backup: true }]);
  const [a, b, c] = fleet.backends;
  t.equal(fleet.sequence(4), 'b0 b1 b0 b1');
  a!.setHealth('down', 'test');
  t.equal(fleet.sequence(3), 'b1 b1 b1');
  b!.setAdmin('maint', 'test');
  t.equal(fleet.sequence(4), 'b2 b3 b2 b3', 'the backups rotate among themselves');
  c!.setAdmin('drain', 'test');
  t.equal(fleet.sequence(2), 'b3 b3');
  a!.setHealth('up', 'test');
  t.equal(fleet.sequence(2), 'b0 b0', 'back to the primaries');
});

t.test('a connection that has tried every primary may try a backup', async t => {
  const fleet = new Fleet('round-robin', [{}, { backup: true }]);
  const [a, b] = fleet.backends;
  t.equal(fleet.pick(1, [a!.slot]), 'b1');
  t.equal(fleet.pick(1, [a!.slot, b!.slot]), 'none', 'nobody is left');
});

t.test('whether there is room is known before the first pick, and after every change', async t => {
  const fleet = new Fleet('round-robin', [{ maxConnections: 1 }, {}]);
  const [a, b] = fleet.backends;
  b!.setHealth('down', 'test');
  t.ok(fleet.picker.hasRoom, 'before the first pick');
  t.equal(fleet.pick(), 'b0');
  t.notOk(fleet.picker.hasRoom);
  b!.setHealth('up', 'test');
  t.ok(fleet.picker.hasRoom);
  b!.setHealth('down', 'test');
  t.equal(fleet.pick(), 'full');
  t.notOk(fleet.picker.hasRoom);
  fleet.table.release(a!.slot);
  t.ok(fleet.picker.hasRoom);
});

t.test('full is something else than none', async t => {
  const fleet = new Fleet('least-connections', [{ maxConnections: 1 }, { maxConnections: 2 }, {}]);
  const [a, , c] = fleet.backends;
  c!.setHealth('down', 'test');
  t.strictSame([1, 2, 3].map(n => fleet.pick(n)).sort(), ['b0', 'b1', 'b1']);
  t.equal(fleet.pick(), 'full', 'those who are up have no room');
  t.equal(
    fleet.pick(1, [fleet.backends[0]!.slot, fleet.backends[1]!.slot]),
    'none',
    'those tried are not full',
  );
  fleet.table.release(a!.slot);
  t.equal(fleet.pick(), 'b0', 'a place that was given back is found');
  t.equal(a!.active, 1);
  for (const backend of fleet.backends) backend.setHealth('down', 'test');
  t.equal(fleet.pick(), 'none', 'nobody is up: waiting would not help');
  t.strictSame(
    fleet.backends.map(({ active }) => active),
    [1, 2, 0],
    'a pick that found nothing took no place',
  );
});

t.test('full primaries overflow to the backups', async t => {
  const fleet = new Fleet('round-robin', [{ maxConnections: 1 }, { backup: true, maxConnections: 1 }]);
  t.strictSame([fleet.pick(), fleet.pick(), fleet.pick()], ['b0', 'b1', 'full']);
});

t.test('never down, draining, in maintenance or without weight', async t => {
  const fleet = new Fleet('round-robin', [{}, {}, { admin: 'maint' }, { admin: 'drain' }, { weight: 0 }]);
  const [a, b, , , e] = fleet.backends;
  a!.setHealth('down', 'test');
  t.equal(fleet.sequence(2), 'b1 b1', 'checking is usable');
  e!.setWeight(3);
  t.equal(fleet.sequence(2), 'b1 b4');
  b!.setWeight(0);
  t.equal(fleet.sequence(2), 'b4 b4');
});

t.test('panic: health is ignored, the operator is not', async t => {
  const fleet = new Fleet('round-robin', [{}, {}, { admin: 'maint' }, {}]);
  const [a, b, , d] = fleet.backends;
  for (const backend of [a, b]) backend!.setHealth('down', 'test');
  t.equal(fleet.sequence(2), 'b3 b3');
  Atomics.store(fleet.table.panic, fleet.service, 1);
  fleet.table.bump();
  t.strictSame([...new Set(fleet.sequence(6).split(' '))].sort(), ['b0', 'b1', 'b3']);
  d!.setAdmin('drain', 'test');
  t.strictSame([...new Set(fleet.sequence(6).split(' '))].sort(), ['b0', 'b1']);
});

t.test('a flap does not start the rotation over', async t => {
  const fleet = new Fleet('round-robin', [{}, {}, {}, {}]);
  const counts = new Map<string, number>();
  for (let i = 0; i < 400; i++) {
    fleet.backends[3]!.setHealth(i % 2 === 0 ? 'down' : 'up', 'flap');
    const id = fleet.pick(i, undefined, true);
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  for (const id of ['b0', 'b1', 'b2']) t.ok(counts.get(id)! > 60, `${id} got ${counts.get(id)} of 400`);
});

t.test('a changed list keeps the candidates that stay', async t => {
  const fleet = new Fleet('round-robin', [{}, {}]);
  const peer = new Peer().setV4(1, 1);
  const before = [fleet.picker.pick(peer, undefined), fleet.picker.pick(peer, undefined)];
  const [a, b] = fleet.backends;
  const c = fleet.add();
  fleet.publish([c, b!, a!]);
  const after = new Set([1, 2, 3].map(() => fleet.picker.pick(peer, undefined)));
  t.ok(
    before.every(one => after.has(one)),
    'the same objects',
  );
  t.equal(after.size, 3);
  c.maxConnections = 1;
  fleet.publish([c]);
  t.equal(fleet.pick(), 'full', 'one that stays takes its new limit');
  c.maxConnections = 0;
  fleet.publish([c]);
  t.equal(fleet.sequence(2), 'b2 b2', 'who is not in the list is not picked');
  a!.maxConnections = 1;
  fleet.publish([a!]);
  t.equal(fleet.pick(), 'full', 'a changed limit counts what is open');
});

t.test('a slot with another owner is another candidate', async t => {
  const fleet = new Fleet('round-robin', [{}]);
  const [a] = fleet.backends;
  const peer = new Peer().setV4(1, 1);
  const before = fleet.picker.pick(peer, undefined);
  fleet.picker.setBackends([
    {
      slot: a!.slot,
      id: 'other',
      key: '10.9.9.9:80',
      endpoint: { kind: 'ip', host: '10.9.9.9', port: 80 },
      maxConnections: 0,
    },
  ]);
  const after = fleet.picker.pick(peer, undefined);
  t.not(after, before);
  t.equal(after?.id, 'other');
});

t.test('who may keep its flows', async t => {
  const fleet = new Fleet('round-robin', [{}]);
  const [a] = fleet.backends;
  const candidate = fleet.picker.pick(new Peer().setV4(1, 1), undefined) as PoolCandidate;
  const keeps = () => fleet.picker.keeps(candidate);
  t.ok(keeps(), 'checking');
  a!.setHealth('up', '');
  t.ok(keeps(), 'up');
  a!.setAdmin('drain', '');
  t.ok(keeps(), 'draining');
  a!.setAdmin('maint', '');
  t.notOk(keeps(), 'maintenance');
  a!.setAdmin('ready', '');
  a!.setHealth('down', '');
  t.notOk(keeps(), 'down');
  Atomics.store(fleet.table.panic, fleet.service, 1);
  t.ok(keeps(), 'down, in panic');
  fleet.slots.free(a!.slot);
  t.notOk(keeps(), 'gone');
});

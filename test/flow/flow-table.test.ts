import fc from 'fast-check';
import t from 'tap';
import { Peer } from '../../src/address.js';
import { FlowTable } from '../../src/flow/flow-table.js';

const v4 = (address: number, port: number) => new Peer().setV4(address, port);

/** Hashes in which almost everything or everything collides: the table must be right all the same. */
const none = (words: Int32Array) => void words.fill(0);
const poor = (words: Int32Array) => {
  for (let i = 0; i < words.length; i++) words[i] = i & 3;
};

t.test('address, port, family and listener all tell flows apart', async t => {
  const table = new FlowTable<string>(100);
  const peers: [Peer, number, string][] = [
    [v4(1, 53), 0, 'v4'],
    [v4(1, 54), 0, 'port'],
    [v4(2, 53), 0, 'address'],
    [v4(1, 53), 1, 'listener'],
    [v4(1, 53), 32_767, 'last listener'],
    [new Peer().setV6(0, 0, 0, 1, 53), 0, 'v6 ::1, the words of 0.0.0.1'],
    [new Peer().setV6(1, 0, 0, 1, 53), 0, 'a0'],
    [new Peer().setV6(0, 1, 0, 1, 53), 0, 'a1'],
    [new Peer().setV6(0, 0, 1, 1, 53), 0, 'a2'],
    [v4(0xffffffff, 65_535), 32_767, 'all ones'],
    [new Peer().setText('fe80::ffff:ffff', 65_535), 0, 'high words'],
  ];
  for (const [peer, listener, value] of peers) t.ok(table.set(peer, listener, value, 0) >= 0, value);
  t.equal(table.size, peers.length);
  for (const [peer, listener, value] of peers) t.equal(table.get(peer, listener), value);
  t.equal(table.get(new Peer().setText('::ffff:0.0.0.1', 53), 0), 'v4', 'a mapped address is the IPv4 one');
  t.equal(table.get(v4(3, 53), 0), undefined);
  t.equal(table.find(v4(3, 53), 0), -1);
});

t.test('the order of activity', async t => {
  const table = new FlowTable<string>(10);
  t.equal(table.oldest(), -1);
  const a = table.set(v4(1, 1), 0, 'a', 10);
  const b = table.set(v4(2, 1), 0, 'b', 20);
  const c = table.set(v4(3, 1), 0, 'c', 30);
  t.equal(table.oldest(), a);
  table.touch(a, 40);
  t.strictSame([table.oldest(), table.newer(b), table.newer(c), table.newer(a)], [b, c, a, -1]);
  t.strictSame([table.lastActive(a), table.lastActive(b)], [40, 20]);
  table.delete(c);
  table.delete(c);
  t.strictSame([table.oldest(), table.newer(b), table.size], [b, a, 2]);
  t.equal(table.set(v4(2, 1), 0, 'B', 50), b, 'an entry is replaced in place');
  t.strictSame([table.oldest(), table.value(b), table.size], [a, 'B', 2]);
});

t.test('full at max, room again after a delete', async t => {
  const table = new FlowTable<number>(100);
  for (let i = 0; i < 100; i++) t.equal(table.set(v4(i, 1), 0, i, i), i);
  t.ok(table.full);
  t.equal(table.set(v4(100, 1), 0, 100, 100), -1);
  t.equal(table.size, 100);
  t.equal(table.set(v4(5, 1), 0, 5, 101), 5, 'a flow that is there may still be replaced');
  const oldest = table.oldest();
  table.delete(oldest);
  t.notOk(table.full);
  t.equal(table.set(v4(100, 1), 0, 100, 102), oldest);
  t.throws(() => new FlowTable(0), { code: 'LB4_LIMIT' });
  t.throws(() => new FlowTable(1.5), { code: 'LB4_LIMIT' });
  t.throws(() => new FlowTable(1e9), { code: 'LB4_LIMIT' });
});

t.test('agrees with a Map', async () => {
  const key = fc.record({
    six: fc.boolean(),
    word: fc.nat(40),
    port: fc.constantFrom(0, 53, 65_535),
    listener: fc.constantFrom(0, 1),
  });
  const action = fc.record({
    key,
    what: fc.constantFrom('set', 'set', 'set', 'delete', 'touch', 'expire', 'get'),
  });
  const peer = new Peer();
  fc.assert(
    fc.property(
      fc.array(action, { maxLength: 400 }),
      fc.constantFrom(1, 7, 64, 150, 1_000),
      fc.constantFrom(undefined, poor, none),
      (actions, max, fill) => {
        const table = new FlowTable<string>(max, fill);
        // A Map keeps the order of insertion: delete and set again is a touch.
        const model = new Map<string, { value: string; at: number }>();
        let now = 0;
        for (const { key: k, what } of actions) {
          now++;
          if (k.six)
            peer.setV6(
              0xfd000000 + (k.word & 1),
              (k.word >> 1) & 3,
              (k.word >> 3) & 1,
              0xfffffff0 + (k.word >> 4),
              k.port,
            );
          else peer.setV4(0xffffff00 + k.word, k.port);
          const name = `${peer} ${k.listener}`;
          const known = model.get(name);
          const index = table.find(peer, k.listener);
          if ((index === -1) !== (known === undefined)) throw new Error(`find ${name}: ${index}`);
          if (what === 'set') {
            const done = table.set(peer, k.listener, `${name} ${now}`, now);
            if ((done === -1) !== (known === undefined && model.size === max)) throw new Error('full');
            if (done !== -1) {
              model.delete(name);
              model.set(name, { value: `${name} ${now}`, at: now });
            }
          } else if (what === 'delete' && index !== -1) {
            table.delete(index);
            model.delete(name);
          } else if (what === 'touch' && known !== undefined) {
            table.touch(index, now);
            model.delete(name);
            model.set(name, { value: known.value, at: now });
          } else if (what === 'expire') {
            for (let i = table.oldest(); i !== -1 && table.lastActive(i) < now - 20; i = table.oldest()) {
              table.delete(i);
            }
            for (const [name, { at }] of model) if (at < now - 20) model.delete(name);
          }
          if (table.get(peer, k.listener) !== model.get(name)?.value) throw new Error(`get ${name}`);
          if (table.size !== model.size || table.full !== (model.size === max)) throw new Error('size');
        }
        let at = table.oldest();
        for (const { value, at: time } of model.values()) {
          if (table.value(at) !== value || table.lastActive(at) !== time) throw new Error('order');
          at = table.newer(at);
        }
        if (at !== -1) throw new Error('more flows than the model has');
      },
    ),
    { numRuns: 500 },
  );
});

t.test('grows to 100,000 flows and empties again', async t => {
  const table = new FlowTable<number>(100_000);
  const peer = new Peer();
  for (let i = 0; i < 100_000; i++) table.set(peer.setV4(i * 7919, i & 0xffff), i & 3, i, i);
  let wrong = 0;
  for (let i = 0; i < 100_000; i++) if (table.get(peer.setV4(i * 7919, i & 0xffff), i & 3) !== i) wrong++;
  t.equal(wrong, 0);
  for (let i = 0; i < 100_000; i += 2) table.delete(table.find(peer.setV4(i * 7919, i & 0xffff), i & 3));
  for (let i = 0; i < 100_000; i++) {
    if (table.get(peer.setV4(i * 7919, i & 0xffff), i & 3) !== (i & 1 ? i : undefined)) wrong++;
  }
  t.equal(wrong, 0);
  t.equal(table.size, 50_000);
  while (table.oldest() !== -1) table.delete(table.oldest());
  t.equal(table.size, 0);
});

import fc from 'fast-check';
import t from 'tap';
import { Peer } from '../../src/address.js';
import type { Finished } from '../../src/flow/sink.js';
import { CLOSE_REASONS } from '../../src/pool/reasons.js';
import { BATCH, RecordWriter, readRecords } from '../../src/threads/records.js';

const word = fc.integer({ min: 0, max: 0xffff_ffff });
const port = fc.integer({ min: 0, max: 65_535 });
const peer = fc.oneof(
  fc.tuple(word, port).map(([a, p]) => new Peer().setV4(a, p)),
  fc.tuple(word, word, word, word, port).map(([a, b, c, d, p]) => new Peer().setV6(a, b, c, d, p)),
  fc.constant(new Peer()),
);
const count = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const ms = fc.double({ min: 0, max: 1e12, noNaN: true });

const record: fc.Arbitrary<Finished> = fc.record({
  serviceSlot: fc.integer({ min: 1, max: 65_535 }),
  service: fc.constantFrom('pg', 'redis', 'dns'),
  client: peer,
  backendSlot: fc.integer({ min: -1, max: 65_535 }),
  backend: fc.string(),
  bytesIn: count,
  bytesOut: count,
  connectMs: fc.oneof(fc.constant(-1), ms),
  durationMs: ms,
  attempts: fc.nat(10),
  reason: fc.constantFrom(...CLOSE_REASONS),
  detail: fc.oneof(fc.constant(''), fc.string()),
});

function plain(one: Finished): object {
  return { ...one, client: one.client.toString() };
}

t.test('records come out as they went in, batch after batch', async t => {
  const writer = new RecordWriter();
  fc.assert(
    fc.property(fc.array(record, { maxLength: BATCH }), list => {
      for (const one of list) writer.add(one);
      t.equal(writer.isFull, list.length === BATCH);
      const batch = writer.take();
      const posted = structuredClone(batch, { transfer: [batch.numbers.buffer] });
      const read: object[] = [];
      readRecords(posted, one => read.push(plain(one)));
      t.strictSame(read, list.map(plain));
    }),
    { numRuns: 200 },
  );
});

t.test('a full batch', async t => {
  const writer = new RecordWriter();
  const [one] = fc.sample(record, 1);
  for (let i = 0; i < BATCH; i++) {
    t.notOk(writer.isFull);
    writer.add(one!);
  }
  t.ok(writer.isFull);
  let read = 0;
  readRecords(writer.take(), () => read++);
  t.equal(read, BATCH);
  t.equal(writer.count, 0);
});

import fc from 'fast-check';
import t from 'tap';
import { decayLatency, sampleLatency } from '../../src/pool/latency.js';
import { SharedTable } from '../../src/pool/table.js';

t.test('up at once, down slowly', async t => {
  const table = SharedTable.create(1);
  const now = () => table.latency[1]!;
  sampleLatency(table, 1, 10, 0);
  t.equal(now(), 10, 'the first sample');
  sampleLatency(table, 1, 200, 1);
  t.equal(now(), 200, 'a peak counts in full');
  sampleLatency(table, 1, 10, 2);
  t.ok(now() > 199, 'one good answer does not excuse it');
  sampleLatency(table, 1, 10, 10_002);
  t.ok(Math.abs(now() - (10 + 190 / Math.E)) < 1, `1/e of the way after 10 s: ${now()}`);
  sampleLatency(table, 1, 10, 200_000);
  t.ok(Math.abs(now() - 10) < 0.01);
});

t.test('without samples it sinks, so that the slow one is tried again', async t => {
  const table = SharedTable.create(1);
  decayLatency(table, 1, 50_000);
  t.equal(table.latency[1], 0, 'never sampled: stays unknown');
  sampleLatency(table, 1, 1000, 0);
  decayLatency(table, 1, 500);
  t.equal(table.latency[1], 1000, 'not before it is time');
  for (let at = 1000; at <= 10_000; at += 1000) decayLatency(table, 1, at);
  t.ok(Math.abs(table.latency[1]! - 1000 / Math.E) < 1e-6, 'many small steps are one large one');
  for (let at = 11_000; at <= 200_000; at += 1000) decayLatency(table, 1, at);
  t.ok(table.latency[1]! < 0.001);
});

t.test('between the smallest and the largest sample, whatever the times', async () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(fc.double({ min: 0.01, max: 1e6, noNaN: true }), fc.integer({ min: -5, max: 30_000 })),
        {
          minLength: 1,
          maxLength: 50,
        },
      ),
      steps => {
        const table = SharedTable.create(1);
        let at = 100;
        for (const [ms, gap] of steps) {
          at += gap;
          sampleLatency(table, 1, ms, at);
        }
        const all = steps.map(([ms]) => ms);
        const slack = 1 + 1e-9;
        return table.latency[1]! >= Math.min(...all) / slack && table.latency[1]! <= Math.max(...all) * slack;
      },
    ),
    { numRuns: 50 },
  );
});

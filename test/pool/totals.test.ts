import t from 'tap';
import { CLOSE_REASONS } from '../../src/pool/reasons.js';
import { SharedTable } from '../../src/pool/table.js';
import { BUCKETS_MS, CHECK_RESULTS, HISTOGRAM_SUM, TOTALS, type Totals } from '../../src/pool/totals.js';

const SLOT = 7;
const PLAIN = [
  ...(['connections', 'unserved', 'bytesIn', 'bytesOut', 'connectFailures', 'retries'] as const),
  ...(['datagramsIn', 'datagramsOut', 'droppedDenied', 'droppedLimit', 'droppedNoBackend'] as const),
  'healthChanges',
] as const;

/** Count everything in different numbers. */
function fill(totals: Totals): void {
  PLAIN.forEach((name, i) => {
    totals[name][SLOT] = i + 1;
  });
  CLOSE_REASONS.forEach((reason, i) => {
    for (let n = 0; n <= i; n++) totals.ended(SLOT, reason);
  });
  CHECK_RESULTS.forEach((result, i) => {
    for (let n = 0; n <= i; n++) totals.checked(SLOT, result, 20_000);
  });
  for (const ms of BUCKETS_MS) totals.connectTook(SLOT, ms);
  totals.responseTook(SLOT, 0);
}

t.test('every total has its own place, in each thread', async t => {
  const table = SharedTable.create(2);
  const before = [SLOT - 1, SLOT + 1].map(slot => table.tally(slot));
  fill(table.totalsOf(1));
  const tally = table.tally(SLOT);
  t.strictSame(
    PLAIN.map(name => tally.get(name)),
    PLAIN.map((_, i) => i + 1),
  );
  t.strictSame(
    CLOSE_REASONS.map((_, i) => tally.get('closed', i)),
    CLOSE_REASONS.map((_, i) => i + 1),
  );
  t.strictSame(
    CHECK_RESULTS.map((_, i) => tally.get('checks', i)),
    [1, 2, 3],
  );
  t.strictSame(
    [SLOT - 1, SLOT + 1].map(slot => table.tally(slot)),
    before,
    'the neighbours have nothing of it',
  );

  fill(table.totalsOf(0));
  fill(table.controlTotals());
  const three = table.tally(SLOT);
  t.strictSame(
    three,
    new Array(3).fill(tally).reduce((sum, one) => sum.add(one), table.tally(0)),
    'added up',
  );
  for (const name of TOTALS) t.equal(table.total(SLOT, name), three.get(name), name);
});

t.test('a histogram: a bound belongs to its bucket, what is beyond the last to one of its own', async t => {
  const table = SharedTable.create(1);
  const totals = table.totalsOf(0);
  const buckets = () => BUCKETS_MS.map((_, i) => table.tally(SLOT).get('connectTimes', i));
  for (const ms of [0, 0.1, 0.125, 10_000]) totals.connectTook(SLOT, ms);
  t.strictSame(buckets(), [2, 1, ...new Array(BUCKETS_MS.length - 3).fill(0), 1]);
  totals.connectTook(SLOT, 10_001);
  t.equal(table.tally(SLOT).get('connectTimes', BUCKETS_MS.length), 1);
  t.equal(table.tally(SLOT).get('connectTimes', HISTOGRAM_SUM), 20_001.225);
  t.equal(table.tally(SLOT).get('responseTimes', HISTOGRAM_SUM), 0);
});

import fc from 'fast-check';
import t from 'tap';
import { humanBytes, humanCount, humanMs, humanRate, humanSeconds } from '../../src/cli/units.js';

t.test('bytes', async t => {
  for (const [bytes, text] of [
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [1234, '1.2 kB'],
    [9949, '9.9 kB'],
    [9960, '10 kB'],
    [999_499, '999 kB'],
    [999_500, '1.0 MB'],
    [1_234_567_890, '1.2 GB'],
    [5.5e14, '550 TB'],
    [3e18, '3000 PB'],
  ] as const) {
    t.equal(humanBytes(bytes), text);
  }
});

t.test('counts and rates', async t => {
  t.same([0, 7, 99_999, 100_000, 999_499, 999_500, 1_234_567].map(humanCount), [
    ...['0', '7', '99999', '100k', '999k', '1.0M', '1.2M'],
  ]);
  t.same([0, 0.25, 4, 42.4, 999.4, 999.6, 12_345].map(humanRate), [
    ...['0', '0.3', '4.0', '42', '999', '1.0k', '12k'],
  ]);
});

t.test('times', async t => {
  t.same([0.1, 0.994, 0.996, 3.44, 9.96, 340.2, 999.6, 12_345].map(humanMs), [
    ...['0.10 ms', '0.99 ms', '1.0 ms', '3.4 ms', '10 ms', '340 ms', '1.0 s', '12 s'],
  ]);
  t.same([0, 0.4, 59.9, 60, 125, 3600, 3661, 86_400, 273_600].map(humanSeconds), [
    ...['0s', '0s', '59s', '1m', '2m 5s', '1h', '1h 1m', '1d', '3d 4h'],
  ]);
});

t.test('never wide', async () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e17, noNaN: true }), value => {
      return humanBytes(value).length <= 6 && (value > 9e11 || humanCount(value).length <= 5);
    }),
  );
  fc.assert(fc.property(fc.double({ min: 0, max: 9e5, noNaN: true }), ms => humanMs(ms).length <= 7));
});

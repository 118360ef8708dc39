import fc from 'fast-check';
import t from 'tap';
import { formatDuration, MAX_DURATION_MS, parseDuration } from '../src/duration.js';

t.test('what people write', async t => {
  const cases: Record<string, number> = {
    '0': 0,
    '0s': 0,
    '500ms': 500,
    '5s': 5_000,
    '1.5m': 90_000,
    '2h': 7_200_000,
    '1d': 86_400_000,
    ' 3s ': 3_000,
    '0.4ms': 0,
    '0.001s': 1,
  };
  for (const [text, ms] of Object.entries(cases)) t.equal(parseDuration(text), ms, text);
});

t.test('what is none', async t => {
  for (const text of [
    '',
    '5',
    '-1s',
    '5 s',
    '5S',
    '1e3s',
    's',
    '.5s',
    '5.s',
    '1h30m',
    'Infinity',
    '5sec',
    '٣s',
  ]) {
    t.throws(() => parseDuration(text), { code: 'LB4_DURATION', message: /^expected a duration/ }, text);
  }
  t.throws(() => parseDuration('25d'), { code: 'LB4_DURATION', message: /at most 24d/ });
  t.throws(() => parseDuration(`${'9'.repeat(400)}s`), { code: 'LB4_DURATION' });
  t.equal(parseDuration(`${MAX_DURATION_MS}ms`), MAX_DURATION_MS);
});

t.test('there and back', async t => {
  t.strictSame([0, 90_000, 120_000, 1_500, 86_400_000].map(formatDuration), [
    '0s',
    '90s',
    '2m',
    '1500ms',
    '1d',
  ]);
  fc.assert(fc.property(fc.nat(MAX_DURATION_MS), ms => parseDuration(formatDuration(ms)) === ms));
});

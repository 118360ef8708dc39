import { readFileSync } from 'node:fs';
import t from 'tap';
import { drawChart } from '../../scripts/bench/chart.js';
import { updateTables } from '../../scripts/bench/markdown.js';
import type { Report, Sample } from '../../scripts/bench/report.js';
import { report, sample } from './bench-report.js';

const SAMPLES: readonly Sample[] = [
  sample('kept', 'lb4-epoll', 1, 12, { p50: 0.6, p99: 1.5 }),
  sample('kept', 'lb4-net', 1, 18, { p50: 0.7, p99: 2.5 }),
  sample('kept', 'haproxy', 1, 15, { p50: 0.6, p99: 1.25 }),
  sample('kept-4000', 'lb4-epoll', 1, 15),
  sample('kept-4000', 'haproxy', 1, 30),
  sample('udp-1', 'lb4-epoll', 1, 12, { lost: 1234 }),
];

/** What stands between a pair of marks after an update. */
function block(name: string, samples = SAMPLES): string[] {
  const marked = `<!-- bench:${name} (note) -->\nold\n<!-- /bench:${name} -->\n`;
  return updateTables('x.md', marked, report(samples))
    .trim()
    .split('\n')
    .slice(1, -1)
    .filter(line => line !== '');
}

t.test('tables replace what stood between their marks, and nothing else', async t => {
  const text =
    'before\n<!-- bench:ratios -->\nold\n<!-- /bench:ratios -->\nbetween\n<!-- bench:goals -->\n<!-- /bench:goals -->\nafter\n';
  const once = updateTables('x.md', text, report(SAMPLES));
  t.notMatch(once, 'old');
  t.match(once, /^before\n<!-- bench:ratios -->\n\n\|/);
  t.match(once, /\|\n\n<!-- \/bench:ratios -->\nbetween\n<!-- bench:goals -->\n\n\|/);
  t.match(once, /<!-- \/bench:goals -->\nafter\n$/);
  t.equal(updateTables('x.md', once, report(SAMPLES)), once, 'a second time changes nothing');
});

t.test('marks that are missing or not known are errors', async t => {
  t.throws(() => updateTables('x.md', 'no marks', report([])), /^x\.md: expected a pair of marks/);
  t.throws(
    () => updateTables('x.md', '<!-- bench:tpc -->\n<!-- /bench:tpc -->', report([])),
    /^x\.md: expected bench:conditions, .*, got bench:tpc/,
  );
});

t.test('a full table has a row for every candidate', async t => {
  t.strictSame(
    block('tcp').map(line => line.replace(/ +/g, ' ')),
    [
      '| case | | CPU | range | × HAProxy | a second | × HAProxy | p50 ms | p99 ms | × HAProxy |',
      '| --- | --- | --: | --: | --: | --: | --: | --: | --: | --: |',
      '| `kept` | lb4 epoll | 12.0 µs | 12.0–12.0 | **0.80** | 100 | 1.00 | 0.600 | 1.50 | 1.20 |',
      '| | lb4 net | 18.0 µs | 18.0–18.0 | **1.20** | 100 | 1.00 | 0.700 | 2.50 | 2.00 |',
      '| | HAProxy | 15.0 µs | 15.0–15.0 | 1.00 | 100 | 1.00 | 0.600 | 1.25 | 1.00 |',
      '| | nginx | _nginx is not installed_ | | | | | | | |',
    ],
  );
});

t.test('losses, growth, goals and ratios', async t => {
  t.match(block('udp').join('\n'), /lb4 epoll .*\| 1,234/);
  t.match(block('udp').join('\n'), /HAProxy .*_does not balance UDP_/);
  t.match(block('connections')[0], /50 +\| 4,000 +\| 4,000 against 50/);
  t.match(block('connections')[2], /lb4 epoll +\| 12\.0 +\| 15\.0 +\| \*\*1\.25\*\*/);
  t.match(
    block('goals').join('\n'),
    /`kept-4000` \| CPU time an operation × kept +\| ≤ 1\.30 \| 1\.25 +\| met/,
  );
  t.match(block('goals').join('\n'), /p99 latency × haproxy +\| ≤ 1\.10 \| 1\.20 +\| \*\*missed\*\*/);
  t.match(
    block('ratios')[2],
    /GET on a kept connection, 50 clients +\| \*\*0\.80\*\* +\| \*\*1\.20\*\* \| 1\.00 +\| –/,
  );
  t.strictSame(block('tcp', []), ['_not measured_']);
});

t.test('conditions: machine, versions, rounds, commit', async t => {
  const text = block('conditions').join('\n');
  for (const part of [
    'a processor with 2 cores',
    'HAProxy 2.6',
    'nginx is not installed',
    '1 round of each case',
    'abc1234',
  ]) {
    t.match(text, part);
  }
});

t.test('conditions: who has fewer rounds of which case is named', async t => {
  const second = sample('kept', 'lb4-epoll', 2, 12);
  t.match(
    block('conditions', [...SAMPLES, second]).join('\n'),
    '2 rounds of each case, but of `udp-1` 1, of `kept-4000` 1, of lb4 net in `kept` 1, of HAProxy in `kept` 1, ',
  );
});

t.test('the chart shows ratios and growth, for a light and a dark ground', async t => {
  const svg = drawChart(report(SAMPLES));
  t.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
  t.match(svg, '>0.80</text>');
  t.match(svg, '>1.20</text>');
  t.equal(svg.match(/<polyline/g)?.length, 2, 'a curve for each candidate with two points');
  t.match(svg, 'prefers-color-scheme:dark');
  t.notMatch(svg, /NaN|undefined|Infinity/);
  t.equal(
    svg.match(/<(g|text|svg|style|title)\b/g)?.length,
    svg.match(/<\/(g|text|svg|style|title)>/g)?.length,
  );
});

t.test('a chart of nothing is a chart without figures', async t => {
  t.notMatch(drawChart(report([])), /NaN|undefined|Infinity|<polyline/);
});

t.test('docs and README show what docs/benchmarks.json says', async t => {
  const read = (file: string) => readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8');
  const published = JSON.parse(read('docs/benchmarks.json')) as Report;
  const hint = 'npm run bench -- --from docs/benchmarks.json --chart docs/benchmarks.svg --markdown …';
  t.ok(read('docs/benchmarks.svg') === drawChart(published), `docs/benchmarks.svg is up to date: ${hint}`);
  for (const file of ['docs/benchmarks.md', 'README.md']) {
    t.ok(read(file) === updateTables(file, read(file), published), `${file} is up to date: ${hint}`);
  }
});

t.test('names cannot break the chart', async t => {
  const found = report(SAMPLES);
  const candidates = found.candidates.map(each => ({ ...each, title: `<${each.title}&"` }));
  t.match(drawChart({ ...found, candidates }), '&#60;lb4 epoll&#38;&#34;');
});

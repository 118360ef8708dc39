import fc from 'fast-check';
import t from 'tap';
import { CASES } from '../../scripts/bench/cases.js';
import { judge } from '../../scripts/bench/goals.js';
import { casesOf, disturbance, median, rowsOf, summarize } from '../../scripts/bench/statistics.js';
import { allCores, foreignCores } from '../../scripts/bench/usage.js';
import { report, sample } from './bench-report.js';

const kept = CASES.find(({ name }) => name === 'kept')!;
const kept4000 = CASES.find(({ name }) => name === 'kept-4000')!;
const udp = CASES.find(({ name }) => name === 'udp-1')!;
const twoThreads = CASES.find(({ name }) => name === 'kept-2t')!;

t.test('median', async t => {
  t.equal(median([]), undefined);
  t.equal(median([3, 1, 2]), 2);
  t.equal(median([4, 1, 3, 2]), 2.5);
  t.equal(median([10, 9, 1]), 9, 'by number, not by text');
  const values = fc.array(fc.double({ noNaN: true, noDefaultInfinity: true, min: 0, max: 1e9 }), {
    minLength: 1,
  });
  fc.assert(
    fc.property(values, list => {
      const middle = median(list)!;
      const below = list.filter(value => value < middle).length;
      const above = list.filter(value => value > middle).length;
      return below <= list.length / 2 && above <= list.length / 2;
    }),
  );
});

t.test('CPU time an operation is in the unit of the case', async t => {
  const own = summarize(
    report([sample('kept', 'lb4-net', 1, 15), sample('kept', 'lb4-net', 2, 13)]),
    kept,
    'lb4-net',
  )!;
  t.match(own, { rounds: 2, cpu: 14, cpuMin: 13, cpuMax: 15, perSecond: 100 });
  t.equal(own.ratio.cpu, undefined, 'the reference was not measured');
});

t.test('ratios are medians of the ratios within a round', async t => {
  // Round 2 was slow for everybody. The ratio of the medians would be 12/10.
  const samples = [
    [8, 10, 10],
    [40, 80, 20],
    [12, 10, 30],
  ].flatMap(([own, other, rate], i) => [
    sample('kept', 'lb4-epoll', i + 1, own!, { perSecond: rate!, p99: 3 }),
    sample('kept', 'haproxy', i + 1, other!, { perSecond: 10, p99: 2 }),
  ]);
  const { ratio } = summarize(report(samples), kept, 'lb4-epoll')!;
  t.equal(ratio.cpu?.toFixed(3), '0.800');
  t.equal(ratio.perSecond, 2);
  t.equal(ratio.p99, 1.5);
});

t.test('growth is against the same candidate in the smaller case', async t => {
  const samples = [
    sample('kept', 'lb4-epoll', 1, 10),
    sample('kept', 'haproxy', 1, 50),
    sample('kept-4000', 'lb4-epoll', 1, 12),
  ];
  t.equal(summarize(report(samples), kept4000, 'lb4-epoll')?.growth, 1.2);
});

t.test('every candidate has a row, and those without figures say why', async t => {
  const found = report([sample('udp-1', 'lb4-epoll', 1, 5)], {
    failures: [{ case: 'udp-1', candidate: 'lb4-net', round: 1, why: 'ended by itself' }],
  });
  t.strictSame(
    rowsOf(found, udp).map(({ candidate, why }) => [candidate, why]),
    [
      ['lb4-epoll', undefined],
      ['lb4-net', 'failed: ended by itself'],
      ['haproxy', 'does not balance UDP'],
      ['nginx', 'nginx is not installed'],
    ],
  );
  t.strictSame(
    rowsOf(found, twoThreads).map(({ why }) => why),
    ['not measured', 'has one thread only', 'not measured', 'nginx is not installed'],
  );
});

t.test('cases come in their usual order, those that only failed too', async t => {
  const failures = [{ case: 'kept', candidate: 'lb4-net', round: 1, why: 'no' }];
  t.strictSame(
    casesOf(report([sample('udp-1', 'lb4-net', 1, 1)], { failures })).map(({ name }) => name),
    ['kept', 'udp-1'],
  );
});

t.test('goals are judged on the figures as they are shown', async t => {
  const against = (cost: number) =>
    judge(report([sample('kept', 'lb4-epoll', 1, cost), sample('kept', 'haproxy', 1, 1)]));
  t.strictSame(against(0.954), [
    { case: 'kept', what: 'CPU time an operation × haproxy', wanted: '≤ 0.95', found: 0.95, met: true },
  ]);
  t.equal(against(0.956)[0]?.met, false);
  const faster = [
    sample('kept-2t', 'lb4-epoll', 1, 1, { perSecond: 99 }),
    sample('kept-2t', 'haproxy', 1, 1, { perSecond: 100 }),
  ];
  t.match(judge(report(faster)), [
    { what: 'throughput × haproxy', wanted: '≥ 1.00', found: 0.99, met: false },
  ]);
  t.strictSame(judge(report([])), []);
});

t.test('other work on the machine is what is left after all that is ours', async t => {
  const stat = 'cpu  100 10 50 9999 9999 5 15 20 7 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n';
  t.equal(allCores(stat), 2, 'user, nice, system, irq, softirq and steal');
  const before = { balancer: 0, own: 1, all: 10, at: 0 };
  t.equal(foreignCores(before, { balancer: 1, own: 2, all: 13, at: 4000 }), 0.5);
  t.equal(foreignCores(before, { balancer: 1, own: 2, all: 10.9, at: 1000 }), 0, 'never negative');
  const samples = [0, 0.02, 0.5, 0].map((foreign, i) => sample('kept', 'haproxy', i + 1, 1, { foreign }));
  t.strictSame(disturbance(report(samples)), { median: 0.01, share: 0.25 });
});

import { CASES } from './cases.js';
import type { Report } from './report.js';
import { type Summary, summarize } from './statistics.js';

type Measure = 'cpu' | 'p99' | 'perSecond' | 'growth';

/** What lb4's epoll engine is held to, in ratios: throughput is to be at least so much, all else at most. */
const GOALS: readonly (readonly [measure: Measure, limit: number, cases: readonly string[]])[] = [
  ['cpu', 0.95, ['kept', 'pipelined', 'new']],
  ['cpu', 0.9, ['bulk-in', 'bulk-out']],
  ['cpu', 0.75, ['udp-1']],
  ['cpu', 0.5, ['udp-16']],
  ['p99', 1.1, ['kept-1', 'kept', 'pipelined', 'new']],
  ['growth', 1.3, ['kept-4000']],
  ['growth', 1.1, ['new-1000']],
  ['perSecond', 1, ['kept-2t', 'pipelined-2t', 'new-2t', 'bulk-in-2t', 'bulk-out-2t']],
];

const TEXTS: Readonly<Record<Measure, string>> = {
  cpu: 'CPU time an operation',
  p99: 'p99 latency',
  perSecond: 'throughput',
  growth: 'CPU time an operation',
};

export interface Verdict {
  readonly case: string;
  /** For instance "p99 latency × haproxy". */
  readonly what: string;
  /** For instance "≤ 1.10". */
  readonly wanted: string;
  /** Rounded to two digits, as it is shown and judged. */
  readonly found: number;
  readonly met: boolean;
}

/** Every goal of which the report has what is needed to judge it. */
export function judge(report: Report): Verdict[] {
  return GOALS.flatMap(([measure, limit, names]) =>
    names.flatMap(name => {
      const work = CASES.find(each => each.name === name)!;
      const value = measured(summarize(report, work, 'lb4-epoll'), measure);
      if (value === undefined) return [];
      const found = Math.round(value * 100) / 100;
      const least = measure === 'perSecond';
      return {
        case: name,
        what: `${TEXTS[measure]} × ${measure === 'growth' ? work.growthOf : work.reference}`,
        wanted: `${least ? '≥' : '≤'} ${limit.toFixed(2)}`,
        found,
        met: least ? found >= limit : found <= limit,
      };
    }),
  );
}

function measured(summary: Summary | undefined, measure: Measure): number | undefined {
  return measure === 'growth' ? summary?.growth : summary?.ratio[measure];
}

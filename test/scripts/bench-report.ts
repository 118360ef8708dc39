import type { Report, Sample } from '../../scripts/bench/report.js';

const CANDIDATES = [
  { name: 'lb4-epoll', title: 'lb4 epoll', maxThreads: 2, udp: true, version: 'lb4 0.1.0' },
  { name: 'lb4-net', title: 'lb4 net', maxThreads: 1, udp: true, version: 'lb4 0.1.0' },
  { name: 'haproxy', title: 'HAProxy', maxThreads: 2, udp: false, version: 'HAProxy 2.6' },
  { name: 'nginx', title: 'nginx', maxThreads: 2, udp: true, missing: 'nginx is not installed' },
] as const;

/** A report for tests: nginx is missing. */
export function report(samples: readonly Sample[], more: Partial<Report> = {}): Report {
  return {
    machine: { cpu: 'a processor', cores: 2, kernel: '6.1' },
    share: 1,
    candidates: CANDIDATES,
    runs: [{ date: '2026-01-02T03:04:05.000Z', commit: 'abc1234' }],
    samples: [...samples],
    failures: [],
    ...more,
  };
}

/** A sample of 1,000 operations with `cost` µs of CPU time each. */
export function sample(
  name: string,
  candidate: string,
  round: number,
  cost: number,
  more: Partial<Sample> = {},
): Sample {
  return {
    case: name,
    candidate,
    round,
    operations: 1000,
    cpu: cost / 1000,
    perSecond: 100,
    foreign: 0,
    ...more,
  };
}

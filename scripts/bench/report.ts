import type { Load, Work } from './loads.js';

/** One measured run of one load through one candidate. */
export interface Sample extends Work {
  readonly load: string;
  readonly candidate: string;
  readonly round: number;
  /** CPU seconds that the balancer used. */
  readonly cpu: number;
}

/** The medians of all rounds of one candidate under one load. */
export interface Summary {
  readonly load: string;
  readonly candidate: string;
  /** CPU time an operation, in the load's unit. */
  readonly cpu: number;
  readonly cpuMin: number;
  readonly cpuMax: number;
  /** Median of the rounds' ratios to the reference; undefined when that was not measured. */
  readonly ratio: number | undefined;
  readonly perSecond: number;
  readonly p50: number | undefined;
  readonly p99: number | undefined;
  readonly lost: number;
}

export function summarize(loads: readonly Load[], samples: readonly Sample[]): Summary[] {
  return loads.flatMap(load => {
    const mine = samples.filter(sample => sample.load === load.name);
    const scale = load.unit === 'µs' ? 1e6 : 1e3;
    const cost = ({ cpu, operations }: Sample) => (cpu * scale) / operations;
    return [...new Set(mine.map(({ candidate }) => candidate))].map(candidate => {
      const own = mine.filter(sample => sample.candidate === candidate);
      const costs = own.map(cost);
      const ratios = own.flatMap(sample => {
        const other = mine.find(
          ({ candidate, round }) => candidate === load.reference && round === sample.round,
        );
        return other === undefined ? [] : [cost(sample) / cost(other)];
      });
      return {
        load: load.name,
        candidate,
        cpu: median(costs)!,
        cpuMin: Math.min(...costs),
        cpuMax: Math.max(...costs),
        ratio: median(ratios),
        perSecond: median(own.map(({ operations, seconds }) => operations / seconds))!,
        p50: median(own.flatMap(({ p50 }) => p50 ?? [])),
        p99: median(own.flatMap(({ p99 }) => p99 ?? [])),
        lost: own.reduce((sum, { lost }) => sum + (lost ?? 0), 0),
      };
    });
  });
}

export function printTable(loads: readonly Load[], summaries: readonly Summary[]): void {
  for (const load of loads) {
    const rows = summaries.filter(summary => summary.load === load.name);
    if (rows.length === 0) continue;
    console.log(`\n${load.name}: ${load.operation}`);
    print([
      'candidate',
      `CPU ${load.unit}`,
      'min–max',
      `× ${load.reference}`,
      'per second',
      'p50 ms',
      'p99 ms',
      'lost',
    ]);
    for (const row of rows) {
      print([
        row.candidate,
        short(row.cpu),
        `${short(row.cpuMin)}–${short(row.cpuMax)}`,
        row.ratio?.toFixed(2) ?? '',
        row.perSecond >= 100 ? row.perSecond.toFixed(0) : row.perSecond.toFixed(2),
        row.p50?.toFixed(2) ?? '',
        row.p99?.toFixed(2) ?? '',
        row.lost > 0 ? String(row.lost) : '',
      ]);
    }
  }
}

function print(cells: readonly string[]): void {
  const widths = [12, 10, 16, 11, 12, 8, 8, 6];
  console.log(
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('')
      .trimEnd(),
  );
}

function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2);
}

function median(values: readonly number[]): number | undefined {
  if (values.length === 0) return undefined;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

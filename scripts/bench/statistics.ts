import { unable } from './candidates.js';
import { CASES, type Case } from './cases.js';
import { DISTURBED, type Report, type Sample } from './report.js';

/** Medians over all rounds of one candidate under one case. */
export interface Summary {
  readonly rounds: number;
  /** CPU time an operation, in the case's unit; the least and the most of all rounds. */
  readonly cpu: number;
  readonly cpuMin: number;
  readonly cpuMax: number;
  readonly perSecond: number;
  /** ms */
  readonly p50: number | undefined;
  readonly p99: number | undefined;
  /** Datagrams, of all rounds together. */
  readonly lost: number;
  /** Rounds without a result. */
  readonly failed: number;
  /** Medians of the ratios within a round to the case's reference; undefined where that was not measured. */
  readonly ratio: Ratios;
  /** CPU time an operation as a multiple of that in the case that this one is a larger version of. */
  readonly growth: number | undefined;
}

export type Ratios = Readonly<Record<'cpu' | 'perSecond' | 'p99', number | undefined>>;

export interface Row {
  readonly candidate: string;
  readonly title: string;
  readonly summary?: Summary;
  /** Why there is no summary. */
  readonly why?: string;
}

/** A row for every candidate of the report, also for those that could not run. */
export function rowsOf(report: Report, work: Case): Row[] {
  return report.candidates.map(({ name, title, missing, ...abilities }) => {
    const row = { candidate: name, title };
    const summary = summarize(report, work, name);
    if (summary !== undefined) return { ...row, summary };
    const failure = report.failures.find(each => each.case === work.name && each.candidate === name);
    const why = unable(abilities, work) ?? missing ?? (failure ? `failed: ${failure.why}` : 'not measured');
    return { ...row, why };
  });
}

/** Cases of which the report has a sample or a failure, in their usual order. */
export function casesOf(report: Report): Case[] {
  const names = new Set([...report.samples, ...report.failures].map(each => each.case));
  return CASES.filter(({ name }) => names.has(name));
}

/** Undefined when there is no sample. */
export function summarize(report: Report, work: Case, candidate: string): Summary | undefined {
  const own = samplesOf(report, work.name, candidate);
  if (own.length === 0) return undefined;
  const costs = own.map(sample => cost(sample, work));
  const reference = samplesOf(report, work.name, work.reference);
  const base = samplesOf(report, work.growthOf, candidate);
  return {
    rounds: own.length,
    cpu: median(costs)!,
    cpuMin: Math.min(...costs),
    cpuMax: Math.max(...costs),
    perSecond: median(own.map(({ perSecond }) => perSecond))!,
    p50: median(own.flatMap(({ p50 }) => p50 ?? [])),
    p99: median(own.flatMap(({ p99 }) => p99 ?? [])),
    lost: own.reduce((sum, { lost }) => sum + (lost ?? 0), 0),
    failed: report.failures.filter(each => each.case === work.name && each.candidate === candidate).length,
    ratio: {
      cpu: ratio(own, reference, sample => cost(sample, work)),
      perSecond: ratio(own, reference, ({ perSecond }) => perSecond),
      p99: ratio(own, reference, ({ p99 }) => p99),
    },
    growth: ratio(own, base, sample => cost(sample, work)),
  };
}

/** Cores that other work kept busy meanwhile: the median of all runs, and the share of runs that it disturbed. */
export function disturbance({ samples }: Report): { readonly median: number; readonly share: number } {
  const all = samples.map(({ foreign }) => foreign);
  const disturbed = all.filter(cores => cores > DISTURBED).length;
  return { median: median(all) ?? 0, share: disturbed / Math.max(1, all.length) };
}

/** Undefined of nothing. */
export function median(values: readonly number[]): number | undefined {
  if (values.length === 0) return undefined;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function samplesOf(report: Report, work: string | undefined, candidate: string): Sample[] {
  return report.samples.filter(sample => sample.case === work && sample.candidate === candidate);
}

function cost({ cpu, operations }: Sample, { unit }: Case): number {
  return (cpu * (unit === 'µs' ? 1e6 : 1e3)) / operations;
}

/** Median of the ratios of samples of the same round. */
function ratio(
  mine: readonly Sample[],
  others: readonly Sample[],
  value: (sample: Sample) => number | undefined,
): number | undefined {
  const ratios = mine.flatMap(sample => {
    const other = others.find(({ round }) => round === sample.round);
    const [a, b] = [value(sample), other && value(other)];
    return a === undefined || b === undefined || b === 0 ? [] : [a / b];
  });
  return median(ratios);
}

import type { Candidate } from './candidates.js';
import type { Case } from './cases.js';
import type { Work } from './parse.js';

/** Foreign cores from which on a run says little, latency least of all. */
export const DISTURBED = 0.1;

/** One measured run of one case through one candidate. */
export interface Sample extends Work {
  readonly case: string;
  readonly candidate: string;
  readonly round: number;
  /** CPU seconds that the balancer's processes used, user and system. */
  readonly cpu: number;
  /** Cores that were busy with what does not belong to the benchmark. */
  readonly foreign: number;
}

export interface Failure {
  readonly case: string;
  readonly candidate: string;
  readonly round: number;
  readonly why: string;
}

/** One start of the program that added to the report. */
export interface Run {
  readonly date: string;
  /** What was measured of lb4: git describe. */
  readonly commit: string | undefined;
}

/** Figures from different conditions cannot be put together. */
export interface Conditions {
  readonly machine: { readonly cpu: string; readonly cores: number; readonly kernel: string };
  /** Part of the full amount of work that a run does. */
  readonly share: number;
  /** Versions by name; of those that are missing, why. */
  readonly candidates: readonly (Pick<Candidate, 'name' | 'title' | 'maxThreads' | 'udp'> & {
    readonly version?: string;
    readonly missing?: string;
  })[];
}

/** What --json writes: every sample, so that all else can be worked out again. */
export interface Report extends Conditions {
  readonly runs: Run[];
  readonly samples: Sample[];
  readonly failures: Failure[];
}

export interface Unit {
  readonly case: Case;
  readonly round: number;
}

/** What is not in the report yet, round by round. */
export function unitsToDo(report: Report, cases: readonly Case[], rounds: number): Unit[] {
  const key = (name: string, round: number) => `${name} ${round}`;
  const done = new Set([...report.samples, ...report.failures].map(each => key(each.case, each.round)));
  return Array.from({ length: rounds }, (_, i) => i + 1).flatMap(round =>
    cases.filter(({ name }) => !done.has(key(name, round))).map(each => ({ case: each, round })),
  );
}

/** Throws when a report was made under other conditions than those of now; fewer candidates now are no others. */
export function requireSame(file: string, report: Conditions, now: Conditions): void {
  const names = new Set(now.candidates.map(({ name }) => name));
  const then = { ...report, candidates: report.candidates.filter(({ name }) => names.has(name)) };
  for (const part of ['machine', 'share', 'candidates'] as const) {
    const [before, after] = [JSON.stringify(then[part]), JSON.stringify(now[part])];
    if (before === after) continue;
    throw new Error(`--append: ${file} was made with another ${part}: ${before}, now ${after}`);
  }
}

/** JSON with a line for each sample, so that a diff of two reports can be read. */
export function toJson(report: Report): string {
  const lines = Object.entries(report).map(([key, value]) => {
    if (!Array.isArray(value)) return `  ${JSON.stringify(key)}: ${JSON.stringify(value)}`;
    const items = value.map(item => `    ${JSON.stringify(item)}`).join(',\n');
    return `  ${JSON.stringify(key)}: [${items === '' ? '' : `\n${items}\n  `}]`;
  });
  return `{\n${lines.join(',\n')}\n}\n`;
}

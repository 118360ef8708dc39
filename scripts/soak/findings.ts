import { descriptors, memoryOf } from '../../test/fixtures/process.js';
import { median } from '../bench/statistics.js';
import type { Outcome } from '../upgrades/benchmarks.js';
import type { ClientReport } from '../upgrades/clients.js';
import type { Crew } from './crew.js';

/** Growth from the second quarter of the time to the last that is no growth yet: with each upgrade it is another process. */
const MEMORY_FACTOR = 1.25;
const DESCRIPTORS_MORE = 20;

/** What the process that serves has at one time. */
export interface Sample {
  readonly minute: number;
  /** Resident memory, MiB. */
  readonly memory: number;
  readonly descriptors: number;
  readonly pid: number;
}

export function sample(pid: number, minute: number): Sample {
  return { minute, memory: memoryOf(pid) / 2 ** 20, descriptors: descriptors(pid), pid };
}

/** What a soak has shown. */
export interface Findings {
  readonly report: ClientReport;
  readonly idle: number;
  readonly busy: number;
  /** The longest time that a client waited for an answer, ms. */
  readonly longest: number;
  readonly crew: Crew;
  readonly outcomes: readonly Outcome[];
  /** What failed of reloads, restarts and upgrades. */
  readonly faults: readonly string[];
  readonly samples: readonly Sample[];
  readonly freezes: readonly number[];
  readonly reloads: number;
}

/** Nobody saw an error that no killed backend explains, and nothing grows. */
export function isFine({ report, crew, outcomes, faults, samples }: Findings): boolean {
  const { idleLost, busyLost, wrongBytes, datagramsLost } = report;
  const errors = outcomes.reduce((sum, { errors }) => sum + errors.length, 0);
  const [then, now] = [quarter(samples, 1), quarter(samples, 3)];
  return (
    now.memory <= then.memory * MEMORY_FACTOR &&
    now.descriptors <= then.descriptors + DESCRIPTORS_MORE &&
    errors + faults.length + crew.unexplained.length === 0 &&
    idleLost + busyLost + wrongBytes + datagramsLost === 0
  );
}

export function printFindings(found: Findings): void {
  const { report, idle, busy, longest, crew, outcomes, faults, samples, freezes, reloads } = found;
  for (const { name, done, errors } of outcomes) {
    console.log(`${name}: ${done} done, ${errors.length} errors ${errors.slice(0, 3).join(' | ')}`);
  }
  const { idleLost, busyLost, wrongBytes, answers, datagrams, datagramsLost } = report;
  console.log(`idle sessions lost: ${idleLost} of ${idle}`);
  console.log(
    `asking clients lost: ${busyLost} of ${busy}; wrong bytes: ${wrongBytes} in ${answers} answers; longest answer ${longest.toFixed(0)} ms`,
  );
  console.log(`datagrams lost: ${datagramsLost} of ${datagrams}`);
  const others = [...new Set(crew.unexplained)].join(' | ');
  console.log(
    `a connection a request: ${crew.asked} asked, ${crew.explained} cut off when their backend was killed, ${crew.unexplained.length} other errors ${others}`,
  );
  console.log(`${reloads} reloads, ${crew.restarts} backends killed and started again`);
  console.log(
    `${freezes.length} upgrades: freeze ${median(freezes)?.toFixed(1)} ms median, ${Math.max(0, ...freezes).toFixed(1)} most`,
  );
  const [then, now] = [quarter(samples, 1), quarter(samples, 3)];
  const most = (what: 'memory' | 'descriptors'): string =>
    Math.max(...samples.map(one => one[what])).toFixed(0);
  console.log(
    `memory: ${then.memory.toFixed(0)} MiB in the second quarter, ${now.memory.toFixed(0)} in the last, ${most('memory')} at most`,
  );
  console.log(
    `descriptors: ${then.descriptors} in the second quarter, ${now.descriptors} in the last, ${most('descriptors')} at most`,
  );
  for (const fault of faults.slice(0, 20)) console.log(`fault: ${fault}`);
}

/** Medians of one quarter of the time. */
function quarter(samples: readonly Sample[], n: number): { memory: number; descriptors: number } {
  const at = (i: number): number => Math.floor((samples.length * i) / 4);
  const part = samples.slice(at(n), at(n + 1));
  return {
    memory: median(part.map(({ memory }) => memory)) ?? 0,
    descriptors: median(part.map(({ descriptors }) => descriptors)) ?? 0,
  };
}

/** The report as text for a terminal. */
import type { Case } from './cases.js';
import { judge } from './goals.js';
import { DISTURBED, type Report } from './report.js';
import { casesOf, disturbance, type Row, rowsOf } from './statistics.js';

export function printReport(report: Report): void {
  for (const work of casesOf(report)) {
    console.log(`\n${work.name}: ${work.operation}${work.threads > 1 ? `, ${work.threads} threads` : ''}`);
    printCase(work, rowsOf(report, work));
  }
  const { median, share } = disturbance(report);
  const [cores, percent] = [median.toFixed(2), (share * 100).toFixed(0)];
  console.log(
    `\nother work on the machine: ${cores} cores (median), more than ${DISTURBED} in ${percent} % of the runs`,
  );
  const verdicts = judge(report);
  if (verdicts.length === 0) return;
  console.log('\ngoals of lb4 epoll');
  printColumns(
    ['case', 'what', 'wanted', 'found', ''],
    verdicts.map(each => ({
      cells: [each.case, each.what, each.wanted, each.found.toFixed(2), each.met ? 'met' : 'MISSED'],
    })),
    2,
  );
}

function printCase(work: Case, rows: readonly Row[]): void {
  const growth = work.growthOf !== undefined;
  const against = `× ${work.reference}`;
  const head = [
    ...['candidate', `CPU ${work.unit}`, 'min–max', against],
    ...(growth ? [`× ${work.growthOf}`] : []),
    ...['per second', against, 'p50 ms', 'p99 ms', against, 'lost', 'rounds'],
  ];
  printColumns(
    head,
    rows.map(({ candidate, summary: own, why }) => {
      if (own === undefined) return { cells: [candidate], note: why };
      return {
        cells: [
          ...[candidate, short(own.cpu), `${short(own.cpuMin)}–${short(own.cpuMax)}`, ratio(own.ratio.cpu)],
          ...(growth ? [ratio(own.growth)] : []),
          ...[rate(own.perSecond), ratio(own.ratio.perSecond)],
          ...[milliseconds(own.p50), milliseconds(own.p99), ratio(own.ratio.p99)],
          own.lost > 0 ? String(own.lost) : '',
          `${own.rounds}${own.failed > 0 ? ` (${own.failed} failed)` : ''}`,
        ],
      };
    }),
    1,
  );
}

interface Line {
  readonly cells: readonly string[];
  /** Instead of the cells that are missing. */
  readonly note?: string;
}

/** The first `left` columns begin at the left, the others end at the right. Columns without a value are left out. */
function printColumns(head: readonly string[], lines: readonly Line[], left: number): void {
  const all: readonly Line[] = [{ cells: head }, ...lines];
  const widths = head.map((_, i) => Math.max(...all.map(({ cells }) => cells[i]?.length ?? 0)));
  const used = head.map((_, i) => lines.some(({ cells }) => (cells[i] ?? '') !== ''));
  for (const { cells, note } of all) {
    const padded = cells
      .map((cell, i) => (i < left ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .filter((_, i) => used[i]);
    console.log(`  ${[...padded, ...(note === undefined ? [] : [note])].join('  ').trimEnd()}`);
  }
}

/** Three digits, as far as that goes. */
export function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2);
}

export function rate(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2);
}

export function ratio(value: number | undefined): string {
  return value?.toFixed(2) ?? '';
}

export function milliseconds(value: number | undefined): string {
  if (value === undefined) return '';
  return value >= 10 ? value.toFixed(1) : value.toFixed(value >= 1 ? 2 : 3);
}

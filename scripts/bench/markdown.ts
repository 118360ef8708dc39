/**
 * The report as tables of Markdown. They stand between marks,
 *   <!-- bench:NAME (made by npm run bench, do not edit) -->
 *   <!-- /bench:NAME -->
 * so that a file with text around them can be brought up to date.
 */
import type { Case, Group } from './cases.js';
import { judge } from './goals.js';
import { DISTURBED, type Report } from './report.js';
import { casesOf, disturbance, type Row, rowsOf } from './statistics.js';
import { milliseconds, rate, ratio, short } from './table.js';

const BLOCKS: Readonly<Record<string, (report: Report) => string>> = {
  conditions,
  tcp: report => full(report, 'tcp'),
  udp: report => full(report, 'udp'),
  threads: report => full(report, 'threads'),
  connections: report => growth(report, 'kept'),
  backends: report => growth(report, 'new'),
  goals,
  ratios,
};

const MARKS = /(<!-- bench:(\S+)[^>]*-->\n)(.*?)(<!-- \/bench:\2 -->)/gs;

/** The text of a file with all its tables made anew. Throws, naming the file, if it has none or one that is not known. */
export function updateTables(file: string, content: string, report: Report): string {
  let count = 0;
  const updated = content.replace(MARKS, (_, open: string, name: string, _old, close: string) => {
    const block = Object.hasOwn(BLOCKS, name) ? BLOCKS[name] : undefined;
    if (block === undefined) {
      throw new Error(`${file}: expected bench:${Object.keys(BLOCKS).join(', bench:')}, got bench:${name}`);
    }
    count++;
    return `${open}\n${block(report)}\n\n${close}`;
  });
  if (count === 0)
    throw new Error(`${file}: expected a pair of marks such as <!-- bench:tcp --> <!-- /bench:tcp -->`);
  return updated;
}

function conditions(report: Report): string {
  const { machine, runs, candidates, share } = report;
  const commits = [...new Set(runs.map(run => run.commit ?? 'an unknown commit'))].join(', ');
  const { median, share: disturbed } = disturbance(report);
  return [
    `- ${machine.cpu} with ${machine.cores} cores, Linux ${machine.kernel}`,
    ...candidates.map(({ title, version, missing }) => `- ${title}: ${version ?? missing}`),
    `- ${roundsOf(report)}${share < 1 ? ` with ${share} of the work` : ''}, ${runs[0]?.date.slice(0, 10)}, lb4 at ${commits}`,
    `- other work on the machine: ${median.toFixed(2)} cores (median), more than ${DISTURBED} in ${(disturbed * 100).toFixed(0)} % of the runs`,
  ].join('\n');
}

/** "5 rounds of each case", which cases have fewer than the most, and which candidates fewer than their case. */
function roundsOf(report: Report): string {
  const rounds = (samples: Report['samples']) => new Set(samples.map(({ round }) => round)).size;
  const counts = casesOf(report).map(({ name }) => {
    const samples = report.samples.filter(each => each.case === name);
    return { name: `\`${name}\``, samples, count: rounds(samples) };
  });
  const most = Math.max(0, ...counts.map(({ count }) => count));
  const fewer = counts.filter(({ count }) => count < most).map(({ name, count }) => `of ${name} ${count}`);
  for (const { name: candidate, title } of report.candidates) {
    for (const { name, samples, count } of counts) {
      const own = rounds(samples.filter(each => each.candidate === candidate));
      if (own > 0 && own < count) fewer.push(`of ${title} in ${name} ${own}`);
    }
  }
  const text = `${most} round${most === 1 ? '' : 's'} of each case`;
  return fewer.length === 0 ? text : `${text}, but ${fewer.join(', ')}`;
}

/** All that was found for each case of a group. */
function full(report: Report, group: Group): string {
  const cases = casesOf(report).filter(each => each.group === group);
  const names = new Map(report.candidates.map(({ name, title }) => [name, title]));
  const references = [...new Set(cases.map(({ reference }) => names.get(reference) ?? reference))].join(
    ' / ',
  );
  const against = `× ${references}`;
  const head = [
    'case',
    '',
    'CPU',
    'range',
    against,
    'a second',
    against,
    'p50 ms',
    'p99 ms',
    against,
    'lost',
  ];
  return table(
    head,
    cases.flatMap(work => rowsOf(report, work).map((row, i) => fullRow(work, row, i === 0))),
    2,
  );
}

function fullRow(work: Case, { title, summary: own, why }: Row, first: boolean): string[] {
  const label = first ? `\`${work.name}\`` : '';
  if (own === undefined) return [label, title, `_${why}_`];
  const failed = own.failed > 0 ? ` _(${own.failed} rounds failed)_` : '';
  return [
    label,
    title + failed,
    `${short(own.cpu)} ${work.unit}`,
    `${short(own.cpuMin)}–${short(own.cpuMax)}`,
    strong(ratio(own.ratio.cpu), title),
    rate(own.perSecond),
    ratio(own.ratio.perSecond),
    milliseconds(own.p50),
    milliseconds(own.p99),
    ratio(own.ratio.p99),
    own.lost > 0 ? own.lost.toLocaleString('en') : '',
  ];
}

/** A column for each size of a case, and at last the ratio of the largest to the case itself. */
function growth(report: Report, base: string): string {
  const cases = casesOf(report)
    .filter(({ name, growthOf }) => name === base || growthOf === base)
    .map(work => ({ work, size: Number(/-(\d+)$/.exec(work.name)?.[1] ?? (base === 'kept' ? 50 : 3)) }))
    .sort((a, b) => a.size - b.size);
  const last = cases.at(-1);
  if (last === undefined) return '_not measured_';
  const head = ['CPU µs an operation', ...cases.map(({ size }) => size.toLocaleString('en'))];
  const smallest = cases.find(({ work }) => work.name === base);
  head.push(`${last.size.toLocaleString('en')} against ${smallest?.size ?? '?'}`);
  const columns = cases.map(({ work }) => rowsOf(report, work));
  const lines = columns[0]!.map(({ title }, i) => {
    const cells = columns.map(rows => rows[i]?.summary);
    const why = columns.at(-1)![i]!.why;
    if (cells.every(cell => cell === undefined)) return [title, `_${why}_`];
    return [
      title,
      ...cells.map(cell => (cell ? short(cell.cpu) : '')),
      strong(ratio(cells.at(-1)?.growth), title),
    ];
  });
  return table(head, lines, 1);
}

function goals(report: Report): string {
  const lines = judge(report).map(({ case: name, what, wanted, found, met }) => [
    `\`${name}\``,
    what,
    wanted,
    found.toFixed(2),
    met ? 'met' : '**missed**',
  ]);
  return table(['case', 'ratio', 'wanted', 'found', ''], lines, 2);
}

/** CPU time an operation against the reference: the figures of the front page. */
function ratios(report: Report): string {
  const cases = casesOf(report).filter(({ group }) => group === 'tcp' || group === 'udp');
  const lines = cases.map(work => [
    work.operation,
    ...rowsOf(report, work).map(({ title, summary }) => strong(ratio(summary?.ratio.cpu) || '–', title)),
  ]);
  return table(['CPU time an operation', ...report.candidates.map(({ title }) => title)], lines, 1);
}

/** lb4's own figures stand out. */
function strong(value: string, title: string): string {
  return value !== '' && title.startsWith('lb4') ? `**${value}**` : value;
}

/** Columns that have no value are left out. The first `left` columns begin at the left, the others end at the right. */
function table(head: readonly string[], lines: readonly (readonly string[])[], left: number): string {
  if (lines.length === 0) return '_not measured_';
  const used = head.map((_, i) => i < left || lines.some(cells => (cells[i] ?? '') !== ''));
  const rule = head.map((_, i) => (i < left ? '---' : '--:'));
  const rows = [head, rule, ...lines].map(cells =>
    head.map((_, i) => cells[i] ?? '').filter((_, i) => used[i]),
  );
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map(cells => cells[i]!.length)));
  return rows.map(cells => `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(' | ')} |`).join('\n');
}

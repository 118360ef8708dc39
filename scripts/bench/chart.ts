/** The report as a picture: CPU time against the reference, and how it grows with the number of connections. Pure. */
import { CASES } from './cases.js';
import type { Report } from './report.js';
import { summarize } from './statistics.js';
import { element, line, picture, text } from './svg.js';

const WIDTH = 760;
const LEFT = 120;
const RIGHT = 80;
const PLOT = WIDTH - LEFT - RIGHT;
const BAR = 11;
const GROWTH_HEIGHT = 190;

/** Of a candidate: on a light ground and on a dark one. */
const COLORS: Readonly<Record<string, readonly [light: string, dark: string]>> = {
  'lb4-epoll': ['#1257c4', '#6aa8ff'],
  'lb4-net': ['#0f8a83', '#4fd1c5'],
  haproxy: ['#5f6773', '#a7b0bd'],
  nginx: ['#b45309', '#f0a35e'],
  naive: ['#8b3fd1', '#c79bff'],
};
const OTHER = ['#b3261e', '#ff8a80'] as const;

type Named = Report['candidates'][number];

export function drawChart(report: Report): string {
  const candidates = report.candidates.filter(({ missing }) => missing === undefined);
  const parts = [ratios(report, candidates), growth(report, candidates)];
  const body: string[] = [];
  let height = 52;
  for (const { svg, height: own } of parts) {
    body.push(element('g', { transform: `translate(0 ${height})` }, svg));
    height += own;
  }
  const title = 'CPU time of lb4 beside other load balancers';
  return picture(WIDTH, height, title, style(candidates), [...legend(candidates), ...body].join('\n'));
}

interface Part {
  readonly svg: string;
  readonly height: number;
}

/** Bars that begin at the reference: to the left is cheaper, to the right dearer, in steps of doubling. */
function ratios(report: Report, candidates: readonly Named[]): Part {
  const groups = CASES.filter(({ group }) => group === 'tcp' || group === 'udp').flatMap(work => {
    const bars = candidates.flatMap(({ name }) => {
      const value = name === work.reference ? undefined : summarize(report, work, name)?.ratio.cpu;
      return value === undefined ? [] : [{ name, value }];
    });
    return bars.length === 0 ? [] : [{ work, bars }];
  });
  if (groups.length === 0) return { svg: '', height: 0 };
  const logs = groups.flatMap(({ bars }) => bars.map(({ value }) => Math.log2(value)));
  // Room for the figures beyond the ends of the longest bars.
  const [low, high] = [Math.min(-1, ...logs) - 0.3, Math.max(1, ...logs) + 0.3];
  const x = (value: number) => LEFT + (PLOT * (Math.log2(value) - low)) / (high - low);
  const lines: string[] = [];
  let y = 46;
  for (const { work, bars } of groups) {
    const middle = y + (bars.length * (BAR + 2)) / 2 + 4;
    lines.push(text(LEFT - 12, middle, work.name, { 'text-anchor': 'end' }));
    lines.push(
      text(WIDTH - 8, middle, `× ${title(candidates, work.reference)}`, {
        class: 'faint',
        'text-anchor': 'end',
      }),
    );
    for (const { name, value } of bars) {
      const [from, to] = value < 1 ? [x(value), x(1)] : [x(1), x(value)];
      lines.push(
        element('rect', { x: from, y, width: Math.max(1, to - from), height: BAR, class: cssClass(name) }),
      );
      const label = value < 1 ? { at: from - 4, anchor: 'end' } : { at: to + 4, anchor: 'start' };
      lines.push(text(label.at, y + 9.5, value.toFixed(2), { class: 'value', 'text-anchor': label.anchor }));
      y += BAR + 2;
    }
    y += 12;
  }
  const [first, last] = [Math.ceil(low), Math.floor(high)];
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => 2 ** (first + i));
  const grid = ticks.flatMap(value => [
    line(x(value), 36, x(value), y - 6, value === 1 ? 'reference' : 'grid'),
    text(x(value), 30, value === 1 ? '1' : `${value}×`, { class: 'faint', 'text-anchor': 'middle' }),
  ]);
  const head = [
    text(16, 12, 'CPU time an operation against the reference', { class: 'head' }),
    text(x(1) - 12, 30, '◀ less', { class: 'faint', 'text-anchor': 'end' }),
    text(x(1) + 12, 30, 'more ▶', { class: 'faint' }),
  ];
  return { svg: [...head, ...grid, ...lines].join('\n'), height: y + 16 };
}

/** CPU time a request on kept connections over their number, which has a logarithmic axis. */
function growth(report: Report, candidates: readonly Named[]): Part {
  const kept = CASES.flatMap(work => {
    const connections = work.name === 'kept' ? 50 : Number(/^kept-(\d+)$/.exec(work.name)?.[1]);
    return connections >= 10 ? [{ work, connections }] : [];
  }).sort((a, b) => a.connections - b.connections);
  const curves = candidates.flatMap(({ name, title }) => {
    const points = kept.flatMap(({ work, connections }) => {
      const cost = summarize(report, work, name)?.cpu;
      return cost === undefined ? [] : [{ connections, cost }];
    });
    return points.length < 2 ? [] : [{ name, title, points }];
  });
  if (curves.length === 0) return { svg: '', height: 0 };
  const top = 40;
  const bottom = top + GROWTH_HEIGHT;
  const highest = Math.max(...curves.flatMap(({ points }) => points.map(({ cost }) => cost)));
  const step = [1, 2, 5, 10, 20, 50, 100].find(size => highest / size <= 6) ?? 200;
  const limit = Math.ceil(highest / step) * step;
  const [least, most] = [kept[0]!.connections, kept.at(-1)!.connections];
  const x = (value: number) => LEFT + (PLOT * Math.log(value / least)) / Math.log(most / least);
  const y = (value: number) => bottom - (GROWTH_HEIGHT * value) / limit;
  const lines = [text(16, 12, 'CPU time a request over the number of kept connections', { class: 'head' })];
  for (let value = 0; value <= limit; value += step) {
    lines.push(line(LEFT, y(value), LEFT + PLOT, y(value), 'grid'));
    lines.push(text(LEFT - 12, y(value) + 4, `${value} µs`, { class: 'faint', 'text-anchor': 'end' }));
  }
  for (const { connections } of kept) {
    const label = connections.toLocaleString('en');
    lines.push(text(x(connections), bottom + 18, label, { class: 'faint', 'text-anchor': 'middle' }));
  }
  for (const { name, points } of curves) {
    const path = points.map(({ connections, cost }) => `${round(x(connections))},${round(y(cost))}`);
    lines.push(element('polyline', { points: path.join(' '), class: `curve ${cssClass(name)}` }));
    for (const point of path) {
      const [cx, cy] = point.split(',');
      lines.push(element('circle', { cx, cy, r: 3, class: cssClass(name) }));
    }
  }
  const ends = apart(curves.map(({ title, points }) => ({ title, y: y(points.at(-1)!.cost) + 4 })));
  lines.push(...ends.map(end => text(LEFT + PLOT + 8, end.y, end.title, { class: 'value' })));
  return { svg: lines.join('\n'), height: bottom + 36 };
}

/** Labels from top to bottom, moved down until they do not overlap. */
function apart<T extends { readonly y: number }>(labels: readonly T[]): T[] {
  let free = Number.NEGATIVE_INFINITY;
  return [...labels]
    .sort((a, b) => a.y - b.y)
    .map(label => {
      const y = Math.max(label.y, free);
      free = y + 13;
      return { ...label, y };
    });
}

function legend(candidates: readonly Named[]): string[] {
  let x = 16;
  return candidates.flatMap(({ name, title }) => {
    const at = x;
    x += 34 + title.length * 7.5;
    return [
      element('rect', { x: at, y: 16, width: 12, height: 12, class: cssClass(name) }),
      text(at + 18, 26.5, title),
    ];
  });
}

function style(candidates: readonly Named[]): string {
  const colors = (mode: 0 | 1) =>
    candidates.map(({ name }) => {
      const color = (COLORS[name] ?? OTHER)[mode];
      return `.${cssClass(name)}{fill:${color};stroke:${color}}`;
    });
  return [
    'text{font:13px system-ui,sans-serif;fill:#1f2328}.head{font-weight:600}.value{font-size:11px}',
    '.faint{font-size:11px;fill:#59636e}.ground{fill:#fff}.grid{stroke:#d1d9e0}.reference{stroke:#59636e}',
    'rect{stroke-width:0}',
    ...colors(0),
    '.curve{fill:none;stroke-width:2}',
    '@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.faint{fill:#9198a1}.ground{fill:#0d1117}',
    '.grid{stroke:#30363d}.reference{stroke:#9198a1}',
    ...colors(1),
    '.curve{fill:none}}',
  ].join('');
}

function cssClass(name: string): string {
  return `of-${name}`;
}

function title(candidates: readonly Named[], name: string): string {
  return candidates.find(each => each.name === name)?.title ?? name;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

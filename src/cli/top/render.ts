import { backendName, type Named } from '../../client/backend-name.js';
import { escapeText } from '../../config/text.js';
import type { BackendSnapshot, ServiceSnapshot } from '../../control/snapshot.js';
import { isUsable, noteOf, stateStyle, stateWord } from '../operate/backend-text.js';
import type { Paint, Style } from '../style.js';
import {
  type Cell,
  type Column,
  columnWidths,
  headerLine,
  lineWidth,
  shortenEnd,
  shortenMiddle,
  tableLine,
  widthOf,
  wrap,
} from '../table.js';
import { humanBytes, humanCount, humanMs, humanRate, humanSeconds, plural } from '../units.js';
import { backendsOf, type Model, selectedOf } from './model.js';
import { keyOf, type Rates, sum } from './rates.js';

export interface Size {
  readonly rows: number;
  readonly columns: number;
}

/** The least important ones come last: a narrow terminal does without them. Minimum widths keep figures from jumping. */
const COLUMNS: readonly Column[] = [
  { header: 'BACKEND', align: 'left', shrinksTo: 12 },
  { header: 'STATE', align: 'left', atLeast: 8 },
  { header: 'ACTIVE', align: 'right', atLeast: 6 },
  { header: 'CONN/S', align: 'right', atLeast: 6 },
  { header: 'IN/S', align: 'right', atLeast: 6 },
  { header: 'OUT/S', align: 'right', atLeast: 6 },
  { header: 'LATENCY', align: 'right', atLeast: 7 },
  { header: 'WEIGHT', align: 'right', atLeast: 6 },
];
/** In front of each line: where the selection is. */
const MARK = '> ';
const NO_MARK = '  ';
/** Lines for the selected backend. */
const DETAIL = 2;
/** Lines that are not in the table: title, totals, the table's head, the selected backend, keys. */
const FRAME = 4 + DETAIL;
const UNKNOWN = '-';
const KEYS = 'j k select   d drain   r ready   m maint   + - weight   ? help   q quit';
const HELP = [
  'lb4 top shows a running instance, once a second.',
  '',
  'up down j k     select a backend; page up, page down, home, end as well',
  'd               drain it: no new connections, open ones stay',
  'r               make it ready again',
  'm               maintenance: as drain, and no health checks either',
  '+ -             its weight, one more or one less',
  'q, Ctrl-C       quit',
  '',
  'Changes last until the next start of the instance; put them into its',
  'configuration file if they are to stay.',
  '',
  'Any key goes back.',
];

/** One line of the table. */
interface Row {
  readonly cells: readonly Cell[];
  readonly key?: string;
}

/** The whole screen: exactly `size.rows` lines of at most `size.columns` characters. Pure. */
export function render(model: Model, size: Size, paint: Paint): string[] {
  const { rows, columns } = size;
  const fitting = (text: string, style: Style = 'plain'): string =>
    paint(style, shortenEnd(escapeText(text), columns));
  const bottom = (): string => {
    const { question, message } = model;
    if (question !== undefined) return fitting(question.text, 'bold');
    if (message !== undefined) return fitting(message.text, message.isError ? 'red' : 'green');
    return fitting(KEYS, 'dim');
  };
  const top = [
    fitting(titleText(model), 'bold'),
    model.trouble === ''
      ? fitting(totalsText(model))
      : paint('red', shortenMiddle(escapeText(model.trouble), columns)),
  ];
  const room = Math.max(0, rows - FRAME);
  const middle = model.isHelp ? HELP.map(line => fitting(line)) : tableLines(model, room, columns, paint);
  const lines = [...top, ...middle.slice(0, room + 1)];
  const detail = wrap(detailText(selectedOf(model)), columns, '').slice(0, DETAIL);
  while (lines.length < rows - 1 - DETAIL) lines.push('');
  lines.push(...detail.map(line => fitting(line, 'dim')));
  while (lines.length < rows - 1) lines.push('');
  return [...lines, bottom()].slice(-rows);
}

function titleText({ status }: Model): string {
  const { name, version, engine, threads, pid, uptime_seconds } = status;
  return `${name}: lb4 ${version}, engine ${engine}, ${plural(threads, 'thread')}, pid ${pid}, up ${humanSeconds(uptime_seconds)}`;
}

function totalsText({ status, rates }: Model): string {
  const all = backendsOf(status).map(({ backend }) => backend);
  const known = status.services.flatMap(({ name }) => rates.get(name) ?? []);
  const active = status.services.reduce((total, service) => total + service.active, 0);
  const { connections, bytesIn, bytesOut } = sum(known);
  const traffic =
    known.length === 0
      ? ''
      : `, ${humanRate(connections)} new/s, in ${humanBytes(bytesIn)}/s, out ${humanBytes(bytesOut)}/s`;
  return `${all.filter(isUsable).length} of ${plural(all.length, 'backend')} usable, ${humanCount(active)} active${traffic}`;
}

/** The table's head and as many lines as there is room for, the selected one among them. */
function tableLines(model: Model, room: number, width: number, paint: Paint): string[] {
  const rows = model.status.services.flatMap(service => serviceRows(service, model.rates));
  const place = Math.max(
    0,
    rows.findIndex(({ key }) => key !== undefined && key === model.selected),
  );
  const first = Math.max(0, Math.min(place - Math.floor(room / 2), rows.length - room));
  const all = rows.map(({ cells }) => cells);
  const columns = fittingColumns(all, width - MARK.length);
  const widths = columnWidths(columns, all, width - MARK.length);
  const shown = rows.slice(first, first + room).map(({ cells, key }) => {
    if (key !== undefined && key === model.selected) {
      const plain = cells.map(({ text }) => ({ text }));
      const line = MARK + tableLine(columns, widths, plain);
      return paint('inverse', line.padEnd(line.length + width - widthOf(line)));
    }
    return NO_MARK + tableLine(columns, widths, cells, paint);
  });
  return [NO_MARK + headerLine(columns, widths, paint), ...shown];
}

function fittingColumns(rows: readonly (readonly Cell[])[], width: number): readonly Column[] {
  for (let count = COLUMNS.length; count > 1; count--) {
    const columns = COLUMNS.slice(0, count);
    if (lineWidth(columnWidths(columns, rows, width)) <= width) return columns;
  }
  return [{ ...COLUMNS[0]!, shrinksTo: 1 }];
}

function serviceRows(service: ServiceSnapshot, rates: ReadonlyMap<string, Rates>): Row[] {
  const { name, active, backends } = service;
  const usable = `${backends.filter(isUsable).length} of ${backends.length}`;
  const head = [
    { text: name, style: 'bold' } as const,
    { text: usable },
    { text: humanCount(active) },
    ...rateCells(rates.get(name)),
  ];
  return [{ cells: head }, ...backends.map(backend => backendRow(name, backend, rates))];
}

function backendRow(service: string, backend: BackendSnapshot, rates: ReadonlyMap<string, Rates>): Row {
  const { id, state, active, latency_ms, weight } = backend;
  const key = keyOf(service, id);
  return {
    key,
    cells: [
      { text: `  ${id}` },
      { text: stateWord(state), style: stateStyle(state) },
      { text: humanCount(active) },
      ...rateCells(rates.get(key)),
      { text: latency_ms === null ? UNKNOWN : humanMs(latency_ms) },
      { text: String(weight) },
    ],
  };
}

function rateCells(rates: Rates | undefined): Cell[] {
  if (rates === undefined) return [UNKNOWN, UNKNOWN, UNKNOWN].map(text => ({ text }));
  return [humanRate(rates.connections), humanBytes(rates.bytesIn), humanBytes(rates.bytesOut)].map(text => ({
    text,
  }));
}

/** All of a backend's id, and what there is to say about it. */
function detailText(named: Named | undefined): string {
  if (named === undefined) return '';
  const { address, id, last_check } = named.backend;
  const words = [backendName(named) + (address === id ? '' : ` (${address})`)];
  const note = noteOf(named.backend);
  if (note !== '') words.push(note);
  else if (last_check !== null)
    words.push(`last check ${last_check.result} in ${humanMs(last_check.duration_ms)}`);
  return words.join(': ');
}

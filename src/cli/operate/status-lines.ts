import { escapeText } from '../../config/text.js';
import type { BackendSnapshot, ServiceSnapshot, Snapshot } from '../../control/snapshot.js';
import type { Paint } from '../style.js';
import {
  type Cell,
  type Column,
  columnWidths,
  headerLine,
  lineWidth,
  shortenEnd,
  tableLine,
  widthOf,
  wrap,
} from '../table.js';
import { humanBytes, humanCount, humanMs, humanSeconds, plural } from '../units.js';
import { connectionsOf, isUsable, noteOf, stateStyle, stateWord } from './backend-text.js';

const COLUMNS: readonly Column[] = [
  { header: 'BACKEND', align: 'left', shrinksTo: 12 },
  { header: 'STATE', align: 'left' },
  { header: 'WEIGHT', align: 'right' },
  { header: 'ACTIVE', align: 'right' },
  { header: 'TOTAL', align: 'right' },
  { header: 'IN', align: 'right' },
  { header: 'OUT', align: 'right' },
  { header: 'LATENCY', align: 'right' },
];
const NOTE: Column = { header: 'NOTE', align: 'left' };
const INDENT = '  ';

/**
 * `lb4 status`: the instance, and its services with a table of backends. No line is longer than `width` (80 or more, or
 * Infinity); what there is to say about a backend stands behind it where everything fits, else below it. Pure.
 */
export function statusLines(status: Snapshot, width: number, paint: Paint): string[] {
  const room = width - INDENT.length;
  const rows = new Map(status.services.flatMap(({ backends }) => backends.map(one => [one, cells(one)])));
  const cellsOfAll = [...rows.values()];
  const natural = columnWidths([...COLUMNS, NOTE], cellsOfAll, Number.POSITIVE_INFINITY);
  const isWide = cellsOfAll.some(row => row.at(-1)!.text !== '') && lineWidth(natural) <= room;
  const columns = isWide ? [...COLUMNS, NOTE] : COLUMNS;
  const widths = columnWidths(columns, cellsOfAll, room);
  const lines = [shortenEnd(instanceText(status), width)];
  for (const service of status.services) {
    lines.push('', serviceLine(service, width, paint));
    lines.push(
      service.backends.length === 0 ? `${INDENT}no backends` : INDENT + headerLine(columns, widths, paint),
    );
    for (const backend of service.backends) {
      const row = rows.get(backend)!;
      lines.push(INDENT + tableLine(columns, widths, row, paint));
      const note = row.at(-1)!.text;
      if (!isWide && note !== '') lines.push(...wrap(note, width, INDENT + INDENT));
    }
    if (service.removed.length > 0) {
      lines.push(...wrap(`removed while running: ${service.removed.join(', ')}`, width, INDENT));
    }
    if (service.leaving.length > 0) {
      const leaving = service.leaving.map(({ id, active }) => `${id} (${connectionsOf(service, active)})`);
      lines.push(...wrap(`no longer in the list: ${leaving.join(', ')}`, width, INDENT));
    }
  }
  return lines;
}

function instanceText({ name, version, engine, threads, pid, uptime_seconds }: Snapshot): string {
  const planes = plural(threads, 'thread');
  return escapeText(
    `${name}: lb4 ${version}, engine ${engine}, ${planes}, pid ${pid}, up ${humanSeconds(uptime_seconds)}`,
  );
}

/** `pg  2 of 3 up, 12 connections  tcp 0.0.0.0:5432  least-connections`; what is long comes last. */
function serviceLine(service: ServiceSnapshot, width: number, paint: Paint): string {
  const { name, protocol, listen, strategy, active } = service;
  const text = `${summary(service)}, ${connectionsOf(service, active)}, ${strategy}, ${protocol} ${listen.join(', ')}`;
  const title = escapeText(name);
  return `${paint('bold', title)}  ${shortenEnd(escapeText(text), width - widthOf(title) - 2)}`;
}

/** `2 of 3 usable` */
function summary({ backends }: ServiceSnapshot): string {
  return `${backends.filter(isUsable).length} of ${backends.length} usable`;
}

function cells(backend: BackendSnapshot): Cell[] {
  const { id, state, weight, active, total, bytes_in, bytes_out, latency_ms } = backend;
  return [
    { text: id },
    { text: stateWord(state), style: stateStyle(state) },
    { text: String(weight) },
    { text: humanCount(active) },
    { text: humanCount(total) },
    { text: humanBytes(bytes_in) },
    { text: humanBytes(bytes_out) },
    { text: latency_ms === null ? '-' : humanMs(latency_ms) },
    { text: noteOf(backend) },
  ];
}

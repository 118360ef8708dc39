import { escapeText } from '../config/text.js';
import { noPaint, type Paint, type Style } from './style.js';

export interface Column {
  readonly header: string;
  readonly align: 'left' | 'right';
  /** May become narrower than what is in it, down to this many characters; the middle is left out then. */
  readonly shrinksTo?: number;
  /** Never narrower than this, however little is in it. */
  readonly atLeast?: number;
}

export interface Cell {
  readonly text: string;
  readonly style?: Style;
}

/** Between two columns. */
const GAP = '  ';
const DOTS = '…';

/** Characters; what is wider or narrower than one column of a terminal is rare here. */
export function widthOf(text: string): number {
  let width = 0;
  for (const _ of text) width++;
  return width;
}

/** At most `width` characters, the middle left out: both ends of an address tell something. */
export function shortenMiddle(text: string, width: number): string {
  const letters = [...text];
  if (letters.length <= width) return text;
  if (width <= 1) return DOTS.slice(0, Math.max(0, width));
  const tail = Math.floor((width - 1) / 2);
  return [...letters.slice(0, width - 1 - tail), DOTS, ...letters.slice(letters.length - tail)].join('');
}

/** At most `width` characters, the end left out. */
export function shortenEnd(text: string, width: number): string {
  const letters = [...text];
  if (letters.length <= width) return text;
  return width < 1 ? '' : [...letters.slice(0, width - 1), DOTS].join('');
}

/** How wide each column is, so that a line fits `width`; columns that shrink give what is too much, first one first. */
export function columnWidths(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  width: number,
): number[] {
  const widths = columns.map(({ header, atLeast = 0 }, i) =>
    rows.reduce(
      (most, row) => Math.max(most, widthOf(escapeText(row[i]?.text ?? ''))),
      Math.max(atLeast, widthOf(header)),
    ),
  );
  let excess = lineWidth(widths) - width;
  for (const [i, { shrinksTo }] of columns.entries()) {
    if (shrinksTo === undefined || excess <= 0) continue;
    const given = Math.min(excess, Math.max(0, widths[i]! - shrinksTo));
    widths[i]! -= given;
    excess -= given;
  }
  return widths;
}

/** The length of a line with columns so wide. */
export function lineWidth(widths: readonly number[]): number {
  return widths.reduce((sum, one) => sum + one, GAP.length * Math.max(0, widths.length - 1));
}

/** One line of a table. What cells say is escaped here: it may come from anywhere. */
export function tableLine(
  columns: readonly Column[],
  widths: readonly number[],
  cells: readonly Cell[],
  paint: Paint = noPaint,
): string {
  const line = columns.map(({ align }, i) => {
    const { text, style = 'plain' } = cells[i] ?? { text: '' };
    const shown = shortenMiddle(escapeText(text), widths[i]!);
    const pad = ' '.repeat(widths[i]! - widthOf(shown));
    return align === 'left' ? paint(style, shown) + pad : pad + paint(style, shown);
  });
  return line.join(GAP).trimEnd();
}

export function headerLine(
  columns: readonly Column[],
  widths: readonly number[],
  paint: Paint = noPaint,
): string {
  return tableLine(
    columns,
    widths,
    columns.map(({ header }) => ({ text: header, style: 'dim' })),
    paint,
  );
}

/** Words in lines of at most `width` characters, each after `indent`. A word that is longer is broken. */
export function wrap(text: string, width: number, indent: string): string[] {
  const room = Math.max(8, width - widthOf(indent));
  const lines: string[] = [];
  let line = '';
  for (const word of escapeText(text).split(' ')) {
    let rest = word;
    if (line !== '' && widthOf(line) + 1 + widthOf(rest) <= room) {
      line += ` ${rest}`;
      continue;
    }
    if (line !== '') lines.push(line);
    for (; widthOf(rest) > room; rest = [...rest].slice(room).join(''))
      lines.push([...rest].slice(0, room).join(''));
    line = rest;
  }
  return [...lines, line].map(one => indent + one);
}

/** Colours on a terminal that wants them, plain text anywhere else. */
const colours = process.stdout.isTTY === true && !process.env.NO_COLOR;
const BLOCK = colours ? '█' : '#';
const BAR_WIDTH = 12;

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'blue' | 'cyan' | 'magenta';
const CODES: Readonly<Record<Style, number>> = {
  bold: 1,
  dim: 2,
  red: 31,
  green: 32,
  yellow: 33,
  blue: 34,
  magenta: 35,
  cyan: 36,
};

export function paint(style: Style, text: string): string {
  return colours ? `\x1b[${CODES[style]}m${text}\x1b[0m` : text;
}

export function say(text = ''): void {
  process.stdout.write(`${text}\n`);
}

export function heading(text: string): void {
  say(`\n${paint('bold', text)}`);
}

/** A bar and its figure, always as wide. */
export function bar(style: Style, count: number, most: number): string {
  const length = most === 0 ? 0 : Math.max(count > 0 ? 1 : 0, Math.round((count / most) * BAR_WIDTH));
  return `${paint(style, BLOCK.repeat(length))}${' '.repeat(BAR_WIDTH - length)} ${String(count).padStart(5)}`;
}

/** The width of a `bar`. */
export const COLUMN = BAR_WIDTH + 6;

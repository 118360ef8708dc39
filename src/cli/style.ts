export type Style = 'plain' | 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'blue' | 'cyan' | 'inverse';

const CODES: Readonly<Record<Exclude<Style, 'plain'>, number>> = {
  bold: 1,
  dim: 2,
  inverse: 7,
  red: 31,
  green: 32,
  yellow: 33,
  blue: 34,
  cyan: 36,
};

/** Puts a style on text that has no escapes of its own. */
export type Paint = (style: Style, text: string) => string;

export const noPaint: Paint = (_, text) => text;

export const colours: Paint = (style, text) =>
  style === 'plain' || text === '' ? text : `\x1b[${CODES[style]}m${text}\x1b[0m`;

/** Colours on a terminal that has them, unless NO_COLOR (https://no-color.org) is set and not empty. */
export function paintFor(stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv = process.env): Paint {
  const wanted = stream.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';
  return wanted ? colours : noPaint;
}

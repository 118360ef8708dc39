import { escapeText } from '../../config/text.js';

/** Width of a terminal; elsewhere what COLUMNS says, or 80. */
export function outputWidth(
  { columns }: { readonly columns?: number } = process.stdout,
  env: NodeJS.ProcessEnv = process.env,
): number {
  const said = Number(env.COLUMNS);
  return columns ?? (Number.isInteger(said) && said > 0 ? said : 80);
}

/** Lines on standard output. */
export function print(lines: readonly string[]): void {
  process.stdout.write(lines.map(line => `${line}\n`).join(''));
}

/** JSON as it came, with nothing in it that moves a terminal's cursor: such characters are written `\uXXXX`, which is the same JSON. */
export function printJson(text: string): void {
  process.stdout.write(`${escapeText(text)}\n`);
}

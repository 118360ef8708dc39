import { parseArgs } from 'node:util';

/** Flags with their values; those of every command here and `more`, with their defaults. */
export function options(more: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const defaults = { engine: 'epoll', seed: String(Date.now() % 1_000_000_000), ...more };
  const flags = Object.entries(defaults).map(
    ([name, value]) => [name, { type: 'string', default: value }] as const,
  );
  const { values } = parseArgs({ options: Object.fromEntries(flags) });
  return values as Record<string, string>;
}

export function wholeNumber(values: Readonly<Record<string, string>>, name: string): number {
  const number = Number(values[name]);
  if (Number.isInteger(number) && number >= 0) return number;
  throw new Error(`--${name}: expected a whole number, got "${values[name]}"`);
}

export function engineOf({ engine }: Readonly<Record<string, string>>): 'epoll' | 'net' {
  if (engine === 'epoll' || engine === 'net') return engine;
  throw new Error(`--engine: expected epoll or net, got "${engine}"`);
}

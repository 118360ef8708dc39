import type { OneLinerFlags } from '../config/one-liner.js';
import { Lb4Error } from '../errors.js';
import { FLAGS, type Flag } from './flags.js';

/** The flags of `lb4 run`. */
export interface RunFlags extends OneLinerFlags {
  readonly config?: string;
  readonly printConfig?: boolean;
}

/**
 * What yargs found, by flag name: a word for a flag with a value, a list when it came again, true for a switch.
 * Throws Lb4Error LB4_USAGE.
 */
export function readFlags(found: Readonly<Record<string, unknown>>): RunFlags {
  const values: Record<string, unknown> = {};
  for (const flag of FLAGS) {
    const value = found[flag.name];
    if (value !== undefined) values[camelCase(flag.name)] = readFlag(flag, value);
  }
  const { noCheck, ...flags } = values;
  return noCheck === true ? { ...flags, check: false } : flags;
}

function readFlag({ name, kind }: Flag, value: unknown): unknown {
  if (kind === 'switch') return value;
  const words = [value].flat().map(String);
  if (kind === 'list') return words;
  if (words.length > 1)
    throw new Lb4Error('LB4_USAGE', `expected --${name} once, got it ${words.length} times`);
  if (kind === 'text') return words[0];
  if (!/^\d{1,10}$/.test(words[0]!)) {
    throw new Lb4Error('LB4_USAGE', `--${name}: expected a whole number, got ${JSON.stringify(words[0])}`);
  }
  return Number(words[0]);
}

/** Which flags are set, as they are written. */
export function flagsOf(flags: RunFlags): string[] {
  const set = new Map<string, unknown>(Object.entries(flags));
  return FLAGS.filter(({ name }) =>
    name === 'no-check' ? set.get('check') === false : set.get(camelCase(name)) !== undefined,
  ).map(({ name }) => `--${name}`);
}

function camelCase(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

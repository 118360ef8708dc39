import type { OneLinerFlags } from '../config/one-liner.js';
import type { CommandLine } from './command.js';
import { FLAGS, type RunFlag } from './flags.js';

/** The flags of `lb4 run`. */
export interface RunFlags extends OneLinerFlags {
  readonly config?: string;
  readonly printConfig?: boolean;
}

/** The flags of `lb4 run` as they are on its command line. Throws Lb4Error LB4_USAGE. */
export function readFlags(line: CommandLine): RunFlags {
  const values: Record<string, unknown> = {};
  for (const flag of FLAGS) {
    const value = readFlag(flag, line);
    if (value !== undefined) values[camelCase(flag.name)] = value;
  }
  const { noCheck, ...flags } = values;
  return noCheck === true ? { ...flags, check: false } : flags;
}

function readFlag({ name, kind }: RunFlag, line: CommandLine): unknown {
  switch (kind) {
    case 'switch':
      return line.isOn(name) || undefined;
    case 'list':
      return line.list(name);
    case 'number':
      return line.number(name);
    case 'text':
      return line.text(name);
  }
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

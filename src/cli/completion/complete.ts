import { type Command, CommandLine, type Flag, type Values } from '../command.js';

/** Told to the shell instead of words: let it complete names of files. */
export const FILES = ':files';

/** Words that only a running instance or this machine knows. `line`: the flags so far, which may say which instance. */
export type LookUp = (
  kind: 'instances' | 'services' | 'backends',
  line: CommandLine,
) => Promise<readonly string[]>;

/**
 * What may stand where the last of `words` (after `lb4`) stands and begins with it: names of commands, flags, values of
 * flags, names of services and backends; or FILES. `lookUp` may reject, then there is nothing.
 */
export async function complete(
  words: readonly string[],
  commands: readonly Command[],
  lookUp: LookUp,
): Promise<readonly string[]> {
  const { command, open, positionals, found } = read(words.slice(0, -1), commands);
  const current = words.at(-1) ?? '';
  const all = async (): Promise<readonly string[]> => {
    if (open !== undefined) return await valuesOf(open.values);
    if (current.startsWith('-')) return flagWords(command, found);
    if (positionals === 0) return commands.map(({ name }) => name);
    return await valuesOf(command.positionals[positionals - 1]?.values);
  };
  const valuesOf = async (values: Values | undefined): Promise<readonly string[]> => {
    if (values === undefined) return [];
    if (values === 'files') return [FILES];
    return typeof values === 'string' ? await lookUp(values, new CommandLine(found)).catch(() => []) : values;
  };
  return (await all()).filter(word => word === FILES || word.startsWith(current));
}

/** What is there before the word that is completed. Nothing is refused: it may be half-written. */
function read(words: readonly string[], commands: readonly Command[]) {
  const found: Record<string, string | true> = Object.create(null);
  // Until a command is named the flags are those of `run`.
  let command = commands[0]!;
  let positionals = 0;
  let open: Flag | undefined;
  for (const word of words) {
    if (open !== undefined) {
      found[open.name] = word;
      open = undefined;
    } else if (word.startsWith('-')) {
      const [, name = '', value] = /^--?([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
      const flag = command.flags.find(one => one.name === name || one.alias === name);
      if (flag === undefined) continue;
      if (flag.kind === 'switch') found[flag.name] = true;
      else if (value !== undefined) found[flag.name] = value;
      else open = flag;
    } else {
      if (positionals === 0) command = commands.find(({ name }) => name === word) ?? command;
      positionals++;
    }
  }
  return { command, positionals, open, found };
}

function flagWords({ flags }: Command, found: Readonly<Record<string, unknown>>): string[] {
  const left = flags.filter(({ name, kind }) => kind === 'list' || !(name in found));
  return [...left.map(({ name }) => `--${name}`), '--help'];
}

import { didYouMean, quote } from '../config/text.js';
import type { Lb4Error } from '../errors.js';
import { type Command, usage } from './command.js';
import { COMMANDS, RUN } from './commands.js';

const SWITCHES = new Set([
  ...COMMANDS.flatMap(({ flags }) => flags.filter(({ kind }) => kind === 'switch').map(({ name }) => name)),
  'help',
  'version',
]);

/** Faults that yargs lets pass. */
export function checkWords(words: readonly string[]): void {
  const end = words.indexOf('--');
  if (end !== -1) throw usage('expected flags and their values, got "--"');
  for (const word of words) {
    const [, name, value] = /^--([^=]+)=(.*)$/s.exec(word) ?? [];
    if (name !== undefined && SWITCHES.has(name)) {
      throw usage(`expected --${name} without a value, got ${quote(value ?? '')}`);
    }
  }
}

/** What yargs has to say of a command's line, in our words: what was expected, what was found, and what may have been meant. */
export function usageError(message: string, words: readonly string[], command: Command): Lb4Error {
  const spoken = words.includes(command.name);
  const help = spoken && command !== RUN ? `see lb4 ${command.name} --help` : 'see lb4 --help';
  const lacking = /^Not enough arguments following: (.*)$/s.exec(message)?.[1];
  if (lacking !== undefined) return usage(`expected a value after ${asWritten(lacking, words)}, got none`);
  const got = /^Not enough non-option arguments: got (\d+),/.exec(message)?.[1];
  if (got !== undefined) {
    const { name } = command.positionals[Number(got)]!;
    return usage(`${command.name}: expected ${name}, got none; ${help}`);
  }
  const unknown = /^Unknown (?:arguments?|commands?): (.*)$/s.exec(message)?.[1]?.split(', ')[0];
  if (unknown === undefined) return usage(message.split('\n').join(' '));
  const written = asWritten(unknown, words);
  if (written.startsWith('-')) return usage(`${unknownFlag(written, command)}; ${help}`);
  if (spoken) return usage(`unexpected word ${quote(unknown)}; ${help}`);
  const names = COMMANDS.map(({ name }) => name);
  return usage(`unknown command ${quote(unknown)}${didYouMean(unknown, names)}; ${help}`);
}

function unknownFlag(written: string, { name, flags }: Command): string {
  const known = [...flags.map(flag => `--${flag.name}`), '--help', '--version'];
  const hint = written.startsWith('--') ? didYouMean(kebabCase(written), known) : '';
  const owner = COMMANDS.find(one => one.flags.some(flag => `--${flag.name}` === written));
  if (owner === undefined) return `unknown flag ${quote(written)}${hint}`;
  return `${quote(written)} is a flag of lb4 ${owner.name}, not of lb4 ${name}`;
}

/** yargs names flags without their dashes. */
function asWritten(name: string, words: readonly string[]): string {
  const flags = words.map(word => word.replace(/=.*$/s, ''));
  const exact = flags.find(word => word === `--${name}` || word === `-${name}`);
  if (exact !== undefined) return exact;
  if (words.includes(name)) return name;
  // One letter of a group: -xl.
  return name.length === 1 ? `-${name}` : `--${name}`;
}

function kebabCase(word: string): string {
  return word.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`);
}

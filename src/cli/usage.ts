import { didYouMean } from '../config/text.js';
import { Lb4Error } from '../errors.js';
import { FLAGS } from './flags.js';

export const COMMANDS = ['run', 'check', 'completion'];
const FLAG_WORDS = [...FLAGS.map(({ name }) => `--${name}`), '--help', '--version'];
const SWITCHES = [
  ...FLAGS.filter(({ kind }) => kind === 'switch').map(({ name }) => name),
  'help',
  'version',
];

/** Faults that yargs lets pass. */
export function checkWords(words: readonly string[]): void {
  const end = words.indexOf('--');
  if (end !== -1) throw usage('expected flags and their values, got "--"');
  for (const word of words) {
    const [, name, value] = /^--([^=]+)=(.*)$/s.exec(word) ?? [];
    if (name !== undefined && SWITCHES.includes(name)) {
      throw usage(`expected --${name} without a value, got ${JSON.stringify(value)}`);
    }
  }
}

/** What yargs has to say, in our words: what was expected, what was found, and what may have been meant. */
export function usageError(message: string, words: readonly string[]): Lb4Error {
  const lacking = /^Not enough arguments following: (.*)$/.exec(message)?.[1];
  if (lacking !== undefined) return usage(`expected a value after ${asWritten(lacking, words)}, got none`);
  const unknown = /^Unknown (?:arguments?|commands?): (.*)$/.exec(message)?.[1]?.split(', ')[0];
  if (unknown === undefined) return usage(message.split('\n').join(' '));
  const written = asWritten(unknown, words);
  if (written.startsWith('-')) {
    const hint = written.startsWith('--') ? didYouMean(kebabCase(written), FLAG_WORDS) : '';
    return usage(`unknown flag ${JSON.stringify(written)}${hint}; see lb4 --help`);
  }
  const known = words.some(word => COMMANDS.includes(word));
  if (known) return usage(`unexpected word ${JSON.stringify(unknown)}; see lb4 --help`);
  return usage(`unknown command ${JSON.stringify(unknown)}${didYouMean(unknown, COMMANDS)}; see lb4 --help`);
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

export function usage(message: string): Lb4Error {
  return new Lb4Error('LB4_USAGE', message);
}

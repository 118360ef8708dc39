import { COMMANDS } from '../commands.js';
import { complete } from './complete.js';
import { lookUp } from './look-up.js';

/** What a shell's script asks for: one word a line. Resolves to the exit code. */
export async function printCompletions(words: readonly string[]): Promise<number> {
  // A line break or a control character in a name would be two words, or worse.
  const safe = (await complete(words, COMMANDS, lookUp)).filter(word => !/[\p{Cc}\s]/u.test(word));
  process.stdout.write(safe.map(word => `${word}\n`).join(''));
  return 0;
}

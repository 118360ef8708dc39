import { escapeText } from '../config/text.js';
import { Lb4Error } from '../errors.js';

/** 0 fine; 1 failed while running; 2 usage or configuration error. */
const USAGE_CODES = new Set(['LB4_USAGE', 'LB4_CONFIG', 'LB4_ADDRESS', 'LB4_DURATION', 'LB4_STRATEGY']);

/** What to say about an error that ended the program, and its exit code. `words` is the command line. */
export function report(error: unknown, words: readonly string[]): { text: string; code: 1 | 2 } {
  if (!(error instanceof Error)) return { text: `lb4: ${escapeText(String(error))}\n`, code: 1 };
  const known = error instanceof Lb4Error;
  // A configuration's faults have their own places in front.
  const prefix = known && error.code === 'LB4_CONFIG' ? '' : 'lb4: ';
  const lines = error.message.split('\n').map(line => `${prefix}${escapeText(line)}`);
  if (isDebugging(words) && error.stack !== undefined) lines.push(error.stack);
  return { text: `${lines.join('\n')}\n`, code: known && USAGE_CODES.has(error.code) ? 2 : 1 };
}

/** The command line may be what is at fault, so it is looked at as it is. */
function isDebugging(words: readonly string[]): boolean {
  return / --log-level[= ](debug|trace) /.test(` ${words.join(' ')} `);
}

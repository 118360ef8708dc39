#!/usr/bin/env node
import { report } from './report.js';

// Whoever reads this may have seen enough: `lb4 --help | head -1`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

/** The exit code. A shell that completes a line waits at every key: for it as little as possible is loaded. */
async function main(words: readonly string[]): Promise<number> {
  if (words[0] === '__complete') {
    const { printCompletions } = await import('./completion/print.js');
    return await printCompletions(words.slice(1));
  }
  const { parseArguments } = await import('./arguments.js');
  return await parseArguments(words);
}

const words = process.argv.slice(2);
try {
  process.exitCode = await main(words);
} catch (error) {
  // A process that was to take over from another one, which tells everybody and ends this one.
  if (process.env.LB4_SUCCEEDS !== undefined && process.send !== undefined) {
    const { refuse } = await import('../upgrade/successor.js');
    refuse(error);
  }
  const { text, code } = report(error, words);
  process.stderr.write(text);
  process.exitCode = code;
}

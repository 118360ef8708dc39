#!/usr/bin/env node
import { parseArguments } from './arguments.js';
import { report } from './report.js';

// Whoever reads this may have seen enough: `lb4 --help | head -1`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

const words = process.argv.slice(2);
try {
  process.exitCode = await parseArguments(words);
} catch (error) {
  const { text, code } = report(error, words);
  process.stderr.write(text);
  process.exitCode = code;
}

#!/usr/bin/env node
import { Lb4Error } from '../errors.js';
import { parseArguments } from './arguments.js';

/** 0 fine; 1 failed while running; 2 usage or configuration error. */
const USAGE_CODES = new Set(['LB4_USAGE', 'LB4_CONFIG', 'LB4_ADDRESS', 'LB4_DURATION', 'LB4_STRATEGY']);

/** One clear line an error; the stack only for those who debug. */
function report(error: unknown): void {
  if (!(error instanceof Error)) {
    process.stderr.write(`lb4: ${String(error)}\n`);
    return;
  }
  const debugging =
    process.argv.some(
      (word, i) => /^(debug|trace)$/.test(word) && /log-level/.test(process.argv[i - 1] ?? ''),
    ) || process.argv.some(word => /^--log-level=(debug|trace)$/.test(word));
  const known = error instanceof Lb4Error;
  const lines = error.message
    .split('\n')
    .map(line => (known && error.code === 'LB4_CONFIG' ? line : `lb4: ${line}`));
  process.stderr.write(`${lines.join('\n')}\n`);
  if (debugging && error.stack !== undefined) process.stderr.write(`${error.stack}\n`);
}

parseArguments(process.argv.slice(2)).then(
  code => {
    process.exitCode = code;
  },
  (error: unknown) => {
    report(error);
    process.exitCode = error instanceof Lb4Error && USAGE_CODES.has(error.code) ? 2 : 1;
  },
);

/**
 * Churn: lb4 under traffic of every kind, with resets, halts, floods, reloads and dying threads, and every byte checked. After a build:
 * node dist/scripts/churn/main.js [--seconds 600] [--seed N] [--engine epoll|net] [--threads 3] [--no-kills]
 */
import { parseArgs } from 'node:util';
import { churn } from './run.js';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '600' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
    engine: { type: 'string', default: 'epoll' },
    threads: { type: 'string', default: '3' },
    'no-kills': { type: 'boolean', default: false },
  },
});
const { engine } = values;
if (engine !== 'epoll' && engine !== 'net')
  throw new Error(`--engine: expected epoll or net, got "${engine}"`);

function wholeNumber(name: 'seconds' | 'seed' | 'threads'): number {
  const number = Number(values[name]);
  if (Number.isInteger(number) && number >= 0) return number;
  throw new Error(`--${name}: expected a whole number, got "${values[name]}"`);
}

const options = {
  engine,
  seconds: wholeNumber('seconds'),
  seed: wholeNumber('seed'),
  threads: wholeNumber('threads'),
  kills: engine === 'epoll' && !values['no-kills'],
} as const;
console.log(`node ${process.version} ${JSON.stringify(options)}`);
const { faults, counts } = await churn({ ...options, say: line => console.log(line) });
console.log(JSON.stringify(counts));
console.log(faults.length === 0 ? 'no faults' : `${faults.length} faults; again with --seed ${options.seed}`);
process.exitCode = faults.length === 0 ? 0 : 1;

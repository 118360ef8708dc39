/**
 * Churn: lb4 under traffic of every kind, with resets, halts, floods, reloads and dying threads, and every byte checked. After a build:
 * node dist/scripts/churn/main.js [--seconds 600] [--seed N] [--engine epoll|net] [--threads 3] [--kills yes|no]
 */
import { engineOf, options, wholeNumber } from './options.js';
import { churn } from './run.js';

const values = options({ seconds: '600', threads: '3', kills: 'yes' });
const engine = engineOf(values);
const asked = {
  engine,
  seconds: wholeNumber(values, 'seconds'),
  seed: wholeNumber(values, 'seed'),
  threads: wholeNumber(values, 'threads'),
  kills: engine === 'epoll' && values.kills === 'yes',
};
console.log(`node ${process.version} ${JSON.stringify(asked)}`);
const { faults, counts } = await churn({ ...asked, say: line => console.log(line) });
console.log(JSON.stringify(counts));
console.log(faults.length === 0 ? 'no faults' : `${faults.length} faults; again with --seed ${asked.seed}`);
process.exitCode = faults.length === 0 ? 0 : 1;

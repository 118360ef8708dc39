/**
 * Leaks: connections of all endings leave descriptors and heap where they were. After a build:
 * node dist/scripts/churn/leaks-main.js [--connections 100000] [--seed N] [--engine epoll|net] [--threads 2]
 */
import { leaks } from './leaks.js';
import { engineOf, options, wholeNumber } from './options.js';

const values = options({ connections: '100000', threads: '2' });
const asked = {
  engine: engineOf(values),
  connections: wholeNumber(values, 'connections'),
  seed: wholeNumber(values, 'seed'),
  threads: wholeNumber(values, 'threads'),
};
console.log(`node ${process.version} ${JSON.stringify(asked)}`);
const { faults, reasons } = await leaks({ ...asked, say: line => console.log(line) });
console.log(JSON.stringify(reasons));
for (const fault of faults) console.log(`FAULT ${fault}`);
console.log(faults.length === 0 ? 'no leak' : `${faults.length} faults; again with --seed ${asked.seed}`);
process.exitCode = faults.length === 0 ? 0 : 1;

/** node dist/scripts/flood/main.js: floods lb4 and looks at how the well-behaved fare; see --help. */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { type EngineName, FLOODS } from './flood.js';
import { type Result, rate, run } from './run.js';

const USAGE = `Floods on loopback, in a network namespace of its own: 40 well-behaved clients ask 40 times a second each, and open
50 new connections a second together, before, during and after.

node dist/scripts/flood/main.js [options]

  --only LIST     of ${Object.keys(FLOODS).join(', ')} (default: all)
  --engine LIST   of net, epoll (default: both)
  --small         the short form that CI runs
  --json          the results as JSON, one a line

Exit code 1 when the well-behaved got less than 80 % of their rate, or lb4's memory grew by more than a flood may cost.
Needs root, for the namespace; without it all but the spoofed sources are run where they are.`;

/** Only an interface whose other end takes everything; replies to those who do not exist go there. */
const NAMESPACE = [
  'ip link set lo up',
  'ip link add out0 type veth peer name out1',
  'ip addr add 192.0.2.1/24 dev out0',
  'ip link set out0 up',
  'ip link set out1 up',
  'ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:01 dev out0',
  'ip route add default via 192.0.2.2',
].join(' && ');

const INSIDE = 'LB4_FLOOD_INSIDE';

process.exitCode = await main(process.argv.slice(2));

async function main(words: string[]): Promise<number> {
  const text = { type: 'string' } as const;
  const yes = { type: 'boolean', default: false } as const;
  const options = { only: text, engine: text, small: yes, json: yes, help: yes };
  const { values } = parseArgs({ args: words, options });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const inside = process.env[INSIDE] !== undefined;
  if (!inside && canUnshare()) return again(words);
  const all = Object.keys(FLOODS).filter(name => !values.small || FLOODS[name]!.small > 0);
  const floods = values.only?.split(',') ?? all;
  const unknown = floods.find(name => !Object.hasOwn(FLOODS, name));
  if (unknown !== undefined) {
    console.error(`no flood ${JSON.stringify(unknown)}; see --help`);
    return 2;
  }
  let fell = 0;
  for (const flood of floods) {
    if (FLOODS[flood]!.thread === 'spoofed' && !inside) {
      console.error(`${flood}: skipped, no network namespace can be made here`);
      continue;
    }
    for (const engine of (values.engine ?? 'net,epoll').split(',') as EngineName[]) {
      const result = await run({ flood, engine, small: values.small });
      console.log(values.json ? JSON.stringify(result) : report(result));
      fell += result.faults.length;
    }
  }
  return fell === 0 ? 0 : 1;
}

function canUnshare(): boolean {
  return spawnSync('unshare', ['-n', 'sh', '-c', NAMESPACE], { stdio: 'ignore' }).status === 0;
}

/** The same in a network namespace. */
function again(words: readonly string[]): number {
  const script = `${NAMESPACE} && exec "$0" "$@"`;
  const args = ['-n', 'sh', '-c', script, process.execPath, process.argv[1]!, ...words];
  const env = { ...process.env, [INSIDE]: 'yes' };
  return spawnSync('unshare', args, { stdio: 'inherit', env }).status ?? 1;
}

function report(result: Result): string {
  const { flood, engine, before, during, after, memory, tally, reasons, warnings, faults } = result;
  const lines = [`${flood} (${engine}): ${FLOODS[flood]!.title}`];
  for (const [when, found] of Object.entries({ before, during, after })) {
    const { seconds, opened, served, p50, p99 } = found;
    const answers = `${rate(found).toFixed(0)} answers/s (${((100 * rate(found)) / rate(before)).toFixed(0)} %)`;
    const trips = `round trip ${p50.toFixed(2)} ms, p99 ${p99.toFixed(1)} ms`;
    const fresh = opened === 0 ? '' : `, ${served} of ${opened} new connections served`;
    lines.push(`  ${when.padEnd(6)} ${seconds.toFixed(1)} s: ${answers}, ${trips}${fresh}`);
  }
  const [base, peak, last] = memory.map(mib => mib.toFixed(0));
  lines.push(`  memory ${base} MiB, at most ${peak} MiB, ${last} MiB in the end`);
  lines.push(`  flood  ${words(tally)}; log: ${words(reasons)}`);
  for (const warning of warnings) lines.push(`  ${warning.slice(0, 200)}`);
  for (const fault of faults) lines.push(`  FELL: ${fault}`);
  return lines.join('\n');
}

function words(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ');
}

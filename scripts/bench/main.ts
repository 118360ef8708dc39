/**
 * Balancers side by side: CPU time an operation, in interleaved rounds, the balancer alone on one core. After a build:
 *   node dist/scripts/bench/main.js [--rounds N] [--loads a,b] [--candidates a,b] [--quick] [--json FILE]
 */
import { writeFile } from 'node:fs/promises';
import { cpus, loadavg, release } from 'node:os';
import { parseArgs } from 'node:util';
import { CANDIDATES, type Candidate } from './candidates.js';
import { LOADS, type Load } from './loads.js';
import { canPin, type Daemon, endAll, untilAccepting } from './processes.js';
import { printTable, type Sample, summarize } from './report.js';
import { Backends, type Site } from './site.js';
import { cpuSeconds } from './usage.js';

/** Share of the work that warms a candidate up before the first round. */
const WARM_UP = 0.3;

interface Entrant {
  readonly candidate: Candidate;
  readonly site: Site;
  readonly daemon: Daemon;
}

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    loads: { type: 'string', default: '' },
    candidates: { type: 'string', default: '' },
    quick: { type: 'boolean', default: false },
    json: { type: 'string', default: '' },
  },
});
const rounds = options.quick ? 2 : Number(options.rounds);
const share = options.quick ? 0.2 : 1;
if (!(rounds >= 1)) throw new Error(`--rounds: expected a number from 1 up, got ${options.rounds}`);
const loads = choose(LOADS, options.loads, '--loads');
const chosen = choose(CANDIDATES, options.candidates, '--candidates');

process.on('exit', endAll);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const versions = new Map<Candidate, string>();
for (const candidate of chosen) {
  try {
    versions.set(candidate, candidate.version());
  } catch (error) {
    console.error(`${candidate.name} is left out: ${(error as Error).message.split('\n', 1)[0]}`);
  }
}
const candidates = [...versions.keys()];
const machine = {
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  kernel: release(),
  pinned: canPin,
  load: loadavg()[0]!,
  candidates: Object.fromEntries([...versions].map(([{ name }, version]) => [name, version])),
};
console.log(`${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel}, ${rounds} rounds`);
for (const [name, version] of Object.entries(machine.candidates)) console.log(`  ${name}: ${version}`);
if (!canPin) console.log('Nothing is pinned to cores here: do not trust these figures.');

const samples = await measureAll();
const summaries = summarize(loads, samples);
printTable(loads, summaries);
if (options.json !== '') {
  const report = { date: new Date().toISOString(), machine, rounds, share, summaries, samples };
  await writeFile(options.json, `${JSON.stringify(report, undefined, 2)}\n`);
}

async function measureAll(): Promise<Sample[]> {
  const backends = await Backends.start(candidates.length);
  const entrants: Entrant[] = [];
  try {
    for (const [index, candidate] of candidates.entries()) {
      const site = await backends.site(index);
      entrants.push({ candidate, site, daemon: await candidate.start(site) });
      await untilAccepting(site.listen.redis.host, site.listen.redis.port);
    }
    for (const load of loads) {
      for (const entrant of serving(entrants, load)) await measure(entrant, load, 0, share * WARM_UP);
    }
    const found: Sample[] = [];
    for (let round = 1; round <= rounds; round++) {
      for (const load of loads) {
        // Each round begins with another one, so that nobody always follows the same neighbour.
        const order = rotate(serving(entrants, load), round);
        for (const entrant of order) found.push(await measure(entrant, load, round, share));
      }
      process.stderr.write(`round ${round} of ${rounds} done\n`);
    }
    return found;
  } finally {
    for (const { daemon } of entrants) await daemon.stop();
    await backends.stop();
  }
}

async function measure(
  { candidate, site, daemon }: Entrant,
  load: Load,
  round: number,
  amount: number,
): Promise<Sample> {
  const before = cpuSeconds(daemon.pid);
  const work = await load.run(site.listen[load.service], amount);
  const cpu = cpuSeconds(daemon.pid) - before;
  return { load: load.name, candidate: candidate.name, round, cpu, ...work };
}

function serving(entrants: readonly Entrant[], load: Load): Entrant[] {
  return entrants.filter(({ candidate }) => candidate.services.includes(load.service));
}

function rotate<T>(list: readonly T[], by: number): T[] {
  const first = by % list.length;
  return [...list.slice(first), ...list.slice(0, first)];
}

function choose<T extends { readonly name: string }>(all: readonly T[], wanted: string, option: string): T[] {
  if (wanted === '') return [...all];
  return wanted.split(',').map(name => {
    const found = all.find(entry => entry.name === name);
    if (found !== undefined) return found;
    throw new Error(`${option}: expected ${all.map(entry => entry.name).join(', ')}, got ${name}`);
  });
}

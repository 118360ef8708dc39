/** npm run bench: see options.ts for the options and docs/benchmarks.md for the method. */
import { readFile, writeFile } from 'node:fs/promises';
import { cpus, release } from 'node:os';
import { type Candidate, CHECKOUT } from './candidates.js';
import type { Case } from './cases.js';
import { drawChart } from './chart.js';
import { layoutFor } from './layout.js';
import { updateTables } from './markdown.js';
import { Arena, type Outcome } from './measure.js';
import { type Options, parseOptions, USAGE } from './options.js';
import { endAll } from './processes.js';
import { commit, isInstalled } from './programs.js';
import { type Conditions, type Report, requireSame, toJson, type Unit, unitsToDo } from './report.js';
import { printReport } from './table.js';

const UNFINISHED = 3;

try {
  process.exitCode = await main(parseOptions(process.argv.slice(2)));
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 2;
}

async function main(options: Options): Promise<number> {
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  const report = options.from === undefined ? await begin(options) : await load(options.from);
  const left = options.from === undefined ? await measure(report, options) : 0;
  printReport(report);
  if (options.chart !== undefined) await writeFile(options.chart, drawChart(report));
  for (const file of options.markdown) {
    await writeFile(file, updateTables(file, await readFile(file, 'utf8'), report));
  }
  if (left > 0) console.log(`\n${left} measurements are left to do: the same command with --append goes on`);
  return left > 0 ? UNFINISHED : 0;
}

/** An empty report, or the one that is to be gone on with. */
async function begin({ candidates, share, json, append }: Options): Promise<Report> {
  const conditions: Conditions = {
    machine: { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, kernel: release() },
    share,
    candidates: candidates.map(describe),
  };
  const run = { date: new Date().toISOString(), commit: commit(CHECKOUT) };
  const before = append ? await loadIfThere(json!) : undefined;
  if (before === undefined) return { ...conditions, runs: [run], samples: [], failures: [] };
  requireSame(json!, before, conditions);
  before.runs.push(run);
  return before;
}

function describe(candidate: Candidate): Conditions['candidates'][number] {
  const { name, title, maxThreads, udp } = candidate;
  const missing = candidate.missing();
  const rest = missing === undefined ? { version: candidate.version() } : { missing };
  return { name, title, maxThreads, udp, ...rest };
}

/** Measure what the report lacks; the number of units that time did not suffice for. */
async function measure(report: Report, options: Options): Promise<number> {
  const start = performance.now();
  process.on('exit', endAll);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  const candidates = options.candidates.filter(each => each.missing() === undefined);
  announce(report, options.cases);
  const arenas = new Map<number, Arena>();
  const units = unitsToDo(report, options.cases, options.rounds);
  let longest = 0;
  let left = units.length;
  try {
    for (const unit of units) {
      const began = performance.now();
      if (began + longest - start > options.seconds * 1000) break;
      const { threads } = unit.case;
      const arena = arenas.get(threads) ?? new Arena(threads, candidates, options.share, options.retries);
      arenas.set(threads, arena);
      const { samples, failures } = impossible(unit, candidates) ?? (await arena.measure(unit));
      report.samples.push(...samples);
      report.failures.push(...failures);
      for (const { candidate, why } of failures) console.error(`${unit.case.name}, ${candidate}: ${why}`);
      if (options.json !== undefined) await writeFile(options.json, toJson(report));
      longest = Math.max(longest, performance.now() - began);
      left--;
      const at = `${units.length - left}/${units.length}`;
      process.stderr.write(`${at} round ${unit.round} of ${unit.case.name}\n`);
    }
  } finally {
    for (const arena of arenas.values()) await arena.stop();
  }
  return left;
}

/** Failures of all candidates where the programs that make the load or answer it are not there. */
function impossible({ case: work, round }: Unit, candidates: readonly Candidate[]): Outcome | undefined {
  const missing = work.programs.filter(program => !isInstalled(program));
  if (missing.length === 0) return undefined;
  const why = `${missing.join(' and ')} not installed`;
  const failures = candidates.map(({ name }) => ({ case: work.name, candidate: name, round, why }));
  return { samples: [], failures };
}

function announce({ machine, candidates }: Conditions, cases: readonly Case[]): void {
  console.log(`${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel}`);
  for (const { title, version, missing } of candidates) console.log(`  ${title}: ${version ?? missing}`);
  for (const threads of new Set(cases.map(each => each.threads))) {
    console.log(`  ${threads} thread${threads > 1 ? 's' : ''}: ${layoutFor(threads).text}`);
  }
}

async function load(file: string): Promise<Report> {
  return JSON.parse(await readFile(file, 'utf8')) as Report;
}

async function loadIfThere(file: string): Promise<Report | undefined> {
  try {
    return await load(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

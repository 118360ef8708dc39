/**
 * Nanoseconds of CPU time a pick, for every strategy at 3, 100 and 1,000 backends: the median of repeated rounds. Counters lie in a
 * SharedArrayBuffer as in the running program, a pick adds a connection and the oldest of `OPEN` per backend ends, so
 * that counters move and are not all zero. Run after a build: node dist/scripts/bench/picks.js
 */
import { Peer } from '../../src/address.js';
import { SharedTable } from '../../src/pool/table.js';
import { STRATEGY_NAMES, type StrategyName, strategies } from '../../strategies/index.js';
import type { Candidate, Strategy } from '../../strategies/strategy.js';

const SIZES = [3, 100, 1000];
const ROUNDS = 15;
/** Connections kept open for each backend. */
const OPEN = 8;
/** Each round takes about this long, in ms. */
const ROUND_MS = 40;

interface Variant {
  readonly label: string;
  readonly name: StrategyName;
  readonly options: Record<string, unknown>;
}

class BenchCandidate implements Candidate {
  readonly id: string;
  readonly key: string;
  readonly slot: number;
  readonly counters: Int32Array;
  readonly latencies: Float64Array;
  private readonly table: SharedTable;

  constructor(index: number, table: SharedTable) {
    this.id = this.key = `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}:5432`;
    this.slot = index + 1;
    this.table = table;
    this.counters = table.active;
    this.latencies = table.latency;
    table.weight[this.slot] = 1 + (index % 5);
    table.latency[this.slot] = 1 + (index % 7) / 10;
  }

  get weight(): number {
    return this.table.weight[this.slot]!;
  }

  get active(): number {
    return this.counters[this.slot]!;
  }

  get latency(): number {
    return this.latencies[this.slot]!;
  }
}

const accept = () => true;
const clients = Array.from({ length: 4096 }, (_, i) => new Peer().setV4((i * 2654435761) >>> 0, 40_000));

/** `picks` picks; `open` is a ring of the connections that are open now. Returns ns of CPU time a pick. */
function round(strategy: Strategy, table: SharedTable, open: Int32Array, picks: number): number {
  const { active } = table;
  const start = process.cpuUsage();
  for (let i = 0, at = 0; i < picks; i++) {
    const picked = strategy.pick(clients[i & 4095]!, accept) as BenchCandidate;
    const ended = open[at]!;
    if (ended > 0) Atomics.sub(active, ended, 1);
    open[at] = picked.slot;
    Atomics.add(active, picked.slot, 1);
    at = at + 1 === open.length ? 0 : at + 1;
  }
  const { user, system } = process.cpuUsage(start);
  return ((user + system) * 1000) / picks;
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}

/** Median ns a pick, and ms for the first rebuild. */
function measure({ name, options }: Variant, size: number): { pick: number; rebuild: number } {
  const table = SharedTable.create(1);
  const candidates = Array.from({ length: size }, (_, i) => new BenchCandidate(i, table));
  const strategy = strategies[name].factory({ options, random: Math.random });
  const rebuilds: number[] = [];
  for (let i = 0; i < 5; i++) {
    table.weight[1] = 1 + i / 10;
    const start = performance.now();
    strategy.rebuild(candidates);
    rebuilds.push(performance.now() - start);
  }
  const open = new Int32Array(size * OPEN);
  round(strategy, table, open, 20_000);
  const picks = Math.max(1000, Math.ceil((ROUND_MS * 1e6) / round(strategy, table, open, 20_000)));
  const rounds: number[] = [];
  for (let i = 0; i < ROUNDS; i++) rounds.push(round(strategy, table, open, picks));
  return { pick: median(rounds), rebuild: median(rebuilds) };
}

const variants: Variant[] = STRATEGY_NAMES.map(name => ({ label: name, name, options: {} }));
variants.push({ label: 'ip-hash load_factor=1.25', name: 'ip-hash', options: { load_factor: 1.25 } });

console.log(`ns of CPU time per pick, median of ${ROUNDS} rounds; Node ${process.version}, ${process.arch}`);
console.log(
  `${'strategy'.padEnd(26)}${SIZES.map(size => `n=${size}`.padStart(9)).join('')}   rebuild at 1,000`,
);
for (const variant of variants) {
  const results = SIZES.map(size => measure(variant, size));
  const picks = results.map(({ pick }) => pick.toFixed(0).padStart(9)).join('');
  console.log(
    `${variant.label.padEnd(26)}${picks}${`${results.at(-1)!.rebuild.toFixed(1)} ms`.padStart(19)}`,
  );
}

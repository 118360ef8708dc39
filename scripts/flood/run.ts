import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { freePort } from '../bench/processes.js';
import { echoServer } from './echo.js';
import { type EngineName, FLOODS, type Flood, type FloodTask, type Ports, type Tally } from './flood.js';
import type { GoodOptions, GoodReport } from './good.js';
import { type Instance, startInstance } from './instance.js';

/** The well-behaved keep this share of what they get without a flood. */
export const SHARE = 0.8;
const SAMPLE_MS = 100;

/** How the well-behaved fared in a period of so many seconds. */
export interface Period extends GoodReport {
  readonly seconds: number;
}

export interface Result {
  readonly flood: string;
  readonly engine: EngineName;
  readonly before: Period;
  readonly during: Period;
  readonly after: Period;
  /** Resident memory of lb4, MiB: before, the most there was, and in the end. */
  readonly memory: readonly [before: number, peak: number, after: number];
  readonly tally: Tally;
  /** Lines of the log about finished connections, by reason. */
  readonly reasons: Readonly<Record<string, number>>;
  readonly warnings: readonly string[];
  /** What does not hold that should, in words. */
  readonly faults: readonly string[];
}

export interface RunOptions {
  readonly flood: string;
  readonly engine: EngineName;
  /** The short form. */
  readonly small: boolean;
}

/** One flood against one engine. */
export async function run({ flood: name, engine, small }: RunOptions): Promise<Result> {
  const flood = FLOODS[name]!;
  const ports: Ports = {
    good: await freePort(),
    flooded: await freePort(),
    admin: await freePort(),
    echo: await freePort(),
    sink: await freePort(),
  };
  const endEcho = await echoServer(ports.echo);
  const { services, runtime } = flood.config(ports);
  const lb4 = await startInstance({
    admin: { listen: `127.0.0.1:${ports.admin}` },
    runtime: { engine, ...runtime },
    services,
  });
  const good = await startGood(flood, ports);
  try {
    const rest = small ? 500 : 4_000;
    // Compilers and caches get warm.
    await period(good, () => sleep(rest));
    const { result: memoryBefore, ...before } = await period(good, async () => {
      await sleep(rest);
      return lb4.memory();
    });
    const amount = small ? flood.small : flood.amount;
    const perSecond = flood.perSecond?.[engine] ?? Number.POSITIVE_INFINITY;
    const { everybodyWaits = false } = flood;
    const task: FloodTask = { ports, amount, perSecond, small, everybodyWaits };
    const { result, ...during } = await period(good, () => flooded(flood, task, lb4));
    await sleep(rest);
    await good.report();
    const { result: memoryAfter, ...after } = await period(good, async () => {
      await sleep(rest);
      return lb4.memory();
    });
    const memory = [memoryBefore, Math.max(result.peak, memoryAfter), memoryAfter] as const;
    return {
      flood: name,
      engine,
      before,
      during,
      after,
      memory,
      tally: result.tally,
      reasons: Object.fromEntries(lb4.reasons),
      warnings: lb4.warnings,
      faults: faultsOf(flood, before, during, after, memory),
    };
  } finally {
    await good.stop();
    await lb4.stop();
    endEcho();
  }
}

/** Answered questions a second. */
export function rate({ answered, seconds }: Period): number {
  return answered / seconds;
}

function faultsOf(
  flood: Flood,
  before: Period,
  during: Period,
  after: Period,
  [base, peak]: readonly [number, number, number],
): string[] {
  const faults: string[] = [];
  for (const [when, found] of Object.entries({ during, after })) {
    const share = rate(found) / rate(before);
    if (share < SHARE) faults.push(`${when}: ${(100 * share).toFixed(0)} % of the rate`);
    const waits = flood.everybodyWaits && when === 'during';
    if (!waits && found.served < SHARE * found.opened) {
      faults.push(`${when}: ${found.served} of ${found.opened} new connections were served`);
    }
  }
  if (peak - base > flood.maxGrowthMib) faults.push(`memory grew by ${(peak - base).toFixed(0)} MiB`);
  return faults;
}

async function period<T>(good: Good, work: () => Promise<T>): Promise<Period & { result: T }> {
  await good.report();
  const began = performance.now();
  const result = await work();
  const report = await good.report();
  return { ...report, seconds: (performance.now() - began) / 1_000, result };
}

interface Good {
  /** How they fared since they were last asked. */
  report(): Promise<GoodReport>;
  stop(): Promise<unknown>;
}

async function startGood({ protocol, proxied = false }: Flood, { good: port }: Ports): Promise<Good> {
  const preamble = proxied ? 'PROXY TCP4 198.51.100.7 198.51.100.8 1111 2222\r\n' : '';
  const workerData: GoodOptions = { protocol, port, preamble };
  const worker = new Worker(new URL('good.js', import.meta.url), { workerData });
  await once(worker, 'message');
  return {
    report: async () => {
      worker.postMessage('report');
      const [report] = (await once(worker, 'message')) as [GoodReport];
      return report;
    },
    stop: () => worker.terminate(),
  };
}

/** What the flood has done, and how much memory lb4 had at most. */
async function flooded(
  flood: Flood,
  task: FloodTask,
  lb4: Instance,
): Promise<{ tally: Tally; peak: number }> {
  const worker = new Worker(new URL(`floods/${flood.thread}.js`, import.meta.url), { workerData: task });
  let peak = 0;
  const sampling = setInterval(() => {
    peak = Math.max(peak, lb4.memory());
  }, SAMPLE_MS);
  try {
    const [tally] = (await once(worker, 'message')) as [Tally];
    return { tally, peak };
  } finally {
    clearInterval(sampling);
    await worker.terminate();
  }
}

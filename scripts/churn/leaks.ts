import { setTimeout as sleep } from 'node:timers/promises';
import { Endings } from './endings.js';
import { type Descriptors, Instance } from './instance.js';
import { Random } from './random.js';

export interface LeakOptions {
  readonly engine: 'net' | 'epoll';
  readonly connections: number;
  readonly seed: number;
  readonly threads: number;
  readonly say: (line: string) => void;
}

/** What is held while nothing is open. */
interface Held extends Descriptors {
  readonly heap: number;
}

export interface LeakResult {
  readonly faults: readonly string[];
  readonly before: Held;
  readonly after: Held;
  readonly reasons: Readonly<Record<string, number>>;
}

const AT_ONCE = 200;
/** Compiled code, and what is kept for the next connection, are there after so many. */
const WARM_UP = 3_000;
const EMPTY_MS = 30_000;
/** Not a leak: feedback of the compiler and the like. */
const HEAP_SLACK = 1 << 20;

/** Connections of all endings, and what is left of them. */
export async function leaks({ engine, connections, seed, threads, say }: LeakOptions): Promise<LeakResult> {
  const faults: string[] = [];
  const random = new Random(seed);
  const lb = new Instance();
  const endings = new Endings();

  async function connect(count: number): Promise<void> {
    let begun = 0;
    const lane = async (): Promise<void> => {
      while (begun < count && faults.length === 0) {
        begun++;
        if (begun % 10_000 === 0) say(`${begun} connections`);
        faults.push(...(await endings.one(service => lb.port(service), random)));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
  }

  async function held(): Promise<Held> {
    const deadline = performance.now() + EMPTY_MS;
    let active = await lb.active();
    while (active > 0 && performance.now() < deadline) {
      await sleep(100);
      active = await lb.active();
    }
    if (active > 0) faults.push(`${active} connections are still counted`);
    const heap = await lb.heaps(engine === 'epoll' ? threads : 0);
    await sleep(500);
    return { ...lb.descriptors(), heap };
  }

  try {
    await lb.start(await endings.config(engine, threads));
    await connect(WARM_UP);
    const before = await held();
    say(`before: ${JSON.stringify(before)}`);
    await connect(connections);
    const after = await held();
    say(`after:  ${JSON.stringify(after)}`);
    if (after.sockets > before.sockets)
      faults.push(`${after.sockets - before.sockets} sockets are left open`);
    if (after.others > before.others)
      faults.push(`${after.others - before.others} descriptors are left open`);
    // A thread keeps 32 pipes for later.
    const pipes = after.pipes - before.pipes;
    if (pipes > 64 * threads) faults.push(`${pipes} ends of pipes are left open`);
    const heap = after.heap - before.heap;
    if (heap > HEAP_SLACK) faults.push(`the heaps have grown by ${heap} bytes`);
    const exit = await lb.stop();
    if (exit !== 0) faults.push(`lb4 ended with ${exit}: ${lb.errors}`);
    for (const line of lb.lines) if (line.level >= 50) faults.push(JSON.stringify(line));
    return { faults, before, after, reasons: Object.fromEntries(lb.reasons) };
  } finally {
    await endings.stop();
    lb.clear();
  }
}

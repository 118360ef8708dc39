/** The thread in which a target runs: what hangs or eats all memory is ended from outside. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort, workerData } from 'node:worker_threads';
import { type Fault, Fuzzer } from './fuzzer.js';
import { Heartbeat } from './heartbeat.js';
import { bytesOf, TARGETS } from './target.js';

export interface Task {
  readonly target: string;
  readonly seed: number;
  readonly ms: number;
  readonly corpus: readonly Uint8Array[];
  /** Whether the corpus is wanted back, distilled. */
  readonly distil: boolean;
  readonly heartbeat: SharedArrayBuffer;
}

export interface Done {
  readonly executions: number;
  readonly functions: number;
  readonly faults: readonly Fault[];
  /** How many inputs reached new code. */
  readonly interesting: number;
  readonly distilled: readonly Uint8Array[];
  /** Bytes in use after a garbage collection, when it had begun and at the end. */
  readonly heap: readonly [before: number, after: number];
}

const task = workerData as Task;
const heartbeat = new Heartbeat(task.heartbeat);
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const target = await TARGETS[task.target]!();
const fuzzer = new Fuzzer(target, task.seed, input => heartbeat.beat(input));
const begin = Math.min(1_000, task.ms / 10);
await fuzzer.run([...target.seeds.map(bytesOf), ...task.corpus], begin);
const before = used();
await fuzzer.run([], task.ms - begin);
const done: Done = {
  executions: fuzzer.executions,
  functions: fuzzer.functions,
  faults: fuzzer.faults,
  interesting: fuzzer.corpus.length,
  heap: [before, used()],
  distilled: task.distil ? await fuzzer.distilled() : [],
};
fuzzer.close();
await target.close?.();
parentPort!.postMessage(done);

function used(): number {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

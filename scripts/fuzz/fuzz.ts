import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { readCorpus, writeCorpus } from './corpus.js';
import type { Fault } from './fuzzer.js';
import { Heartbeat } from './heartbeat.js';
import type { Done, Task } from './worker.js';

/** A thread that has not taken another input for so long hangs. */
const HANG_MS = 20_000;
const HEAP_MIB = 768;
/** A corpus that is kept has no more bytes: the longest inputs are left out. */
const MAX_CORPUS_BYTES = 32_768;

export interface Options {
  readonly target: string;
  readonly seconds: number;
  /** Any whole number. */
  readonly seed: number;
  /** Write what is worth keeping into the corpus. */
  readonly keep?: boolean;
}

/** What came of it. */
export interface Outcome extends Omit<Done, 'distilled'> {
  /** Inputs in the corpus to begin with, and what is in there now. */
  readonly corpus: readonly [before: number, after: number];
}

/** Fuzz one target in a thread of its own. */
export async function fuzz({ target, seconds, seed, keep = false }: Options): Promise<Outcome> {
  const heartbeat = new Heartbeat();
  const corpus = readCorpus(target);
  const task: Task = { target, seed, ms: seconds * 1_000, corpus, distil: keep, heartbeat: heartbeat.buffer };
  const { done, fault } = await inThread(task, heartbeat);
  const faults: Fault[] = [...(done?.faults ?? [])];
  if (fault !== undefined) faults.push({ input: heartbeat.input, message: fault });
  const kept = keep && done !== undefined && faults.length === 0 ? bounded(done.distilled) : corpus;
  if (kept !== corpus) writeCorpus(target, kept);
  return {
    executions: done?.executions ?? heartbeat.count,
    functions: done?.functions ?? 0,
    interesting: done?.interesting ?? 0,
    heap: done?.heap ?? [0, 0],
    faults,
    corpus: [corpus.length, kept.length],
  };
}

/** The first of these inputs, the shortest come first. */
function bounded(inputs: readonly Uint8Array[]): Uint8Array[] {
  let bytes = 0;
  return inputs.filter(({ length }) => {
    bytes += length;
    return bytes <= MAX_CORPUS_BYTES;
  });
}

/** What the thread has to say, or why it has nothing to say any more. */
async function inThread(task: Task, heartbeat: Heartbeat): Promise<{ done?: Done; fault?: string }> {
  const worker = new Worker(new URL('worker.js', import.meta.url), {
    workerData: task,
    // What lb4 prints is of no interest here.
    stdout: true,
    stderr: true,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB },
  });
  worker.stdout.resume();
  worker.stderr.resume();
  let done: Done | undefined;
  let fault: string | undefined;
  worker.on('message', (message: Done) => {
    done = message;
  });
  worker.on('error', error => {
    fault = `uncaught: ${error.stack ?? error.message}`;
  });
  let seen = -1;
  const watch = setInterval(() => {
    if (heartbeat.count === seen && done === undefined) {
      fault = `hang: no further input within ${HANG_MS} ms`;
      void worker.terminate();
    }
    seen = heartbeat.count;
  }, HANG_MS);
  const [code] = (await once(worker, 'exit')) as [number];
  clearInterval(watch);
  if (done === undefined) fault ??= `the thread ended with ${code}`;
  return { done, fault };
}

/**
 * Loaded into lb4's process ahead of it: ends data-plane threads at any point of what they do, and tells how much each thread
 * has on its heap once the garbage is collected. Asked over the channel that Node opens to a child process.
 */
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { BroadcastChannel, isMainThread, type Worker } from 'node:worker_threads';

export type Question = { readonly kill: number } | { readonly heaps: number };
export interface HeapAnswer {
  readonly heaps: number;
  readonly bytes: number;
}

function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let i = 0; i < 3; i++) collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const channel = new BroadcastChannel('lb4-heaps');
channel.unref();

if (isMainThread) {
  const threads = createRequire(import.meta.url)('node:worker_threads') as { Worker: typeof Worker };
  const running = new Map<number, Worker>();
  let count = 0;
  threads.Worker = class extends threads.Worker {
    constructor(...args: ConstructorParameters<typeof Worker>) {
      super(...args);
      const number = count++;
      running.set(number, this);
      this.once('exit', () => running.delete(number));
    }
  };
  syncBuiltinESMExports();
  const tell = (answer: HeapAnswer): void => void process.send?.(answer);
  channel.onmessage = message => tell((message as { data: HeapAnswer }).data);
  process.on('message', (question: Question) => {
    if ('kill' in question) {
      const list = [...running.values()];
      void list[question.kill % list.length]?.terminate();
      return;
    }
    channel.postMessage(question);
    tell({ heaps: question.heaps, bytes: heapUsed() });
  });
  process.channel?.unref();
} else {
  channel.onmessage = message => {
    const { data } = message as { data: Question | HeapAnswer };
    // Answers of the other threads come by here too.
    if (!('heaps' in data) || 'bytes' in data) return;
    channel.postMessage({ heaps: data.heaps, bytes: heapUsed() } satisfies HeapAnswer);
  };
}

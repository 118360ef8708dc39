import { F_SETPIPE_SZ, fcntl, pipe2 } from './libc.js';
import type { Loop } from './loop.js';

/** What a pipe should hold; an unprivileged process may get less (pipe-user-pages-soft), and then it is as it comes. */
export const PIPE_SIZE = 1 << 20;
/** Pipes kept for the next bulk transfer. */
const MAX_KEPT = 32;
const PIPE_FLAGS = 0o2000000 | 0o4000;

/** A pipe for splice: bytes go from socket to socket without a copy in this process. */
export interface Pipe {
  readonly readFd: number;
  readonly writeFd: number;
}

/** A thread's pipes: made when bulk traffic wants one, kept for a while. */
export class PipePool {
  private readonly free: Pipe[] = [];
  private readonly loop: Loop;

  constructor(loop: Loop) {
    this.loop = loop;
  }

  /** An empty pipe; undefined when descriptors have run out: copying works without. */
  take(): Pipe | undefined {
    let pipe = this.free.pop();
    if (pipe === undefined) {
      const { slab } = this.loop;
      if (pipe2(slab.pair, PIPE_FLAGS) < 0) return undefined;
      pipe = { readFd: slab.pairWords[0]!, writeFd: slab.pairWords[1]! };
      this.loop.opened(pipe.readFd);
      this.loop.opened(pipe.writeFd);
      fcntl(pipe.writeFd, F_SETPIPE_SZ, PIPE_SIZE);
    }
    return pipe;
  }

  /** Give a pipe back; one that is not empty cannot be used again. */
  give(pipe: Pipe, empty: boolean): void {
    if (empty && this.free.length < MAX_KEPT) {
      this.free.push(pipe);
      return;
    }
    this.loop.close(pipe.readFd);
    this.loop.close(pipe.writeFd);
  }

  stop(): void {
    for (const pipe of this.free.splice(0)) {
      this.loop.close(pipe.readFd);
      this.loop.close(pipe.writeFd);
    }
  }
}

import { writeSync } from 'node:fs';

/** What may wait to be written, in characters; lines beyond that are lost. */
const MAX_PENDING = 1 << 20;
/** How often an output that took nothing is tried again. */
const RETRY_MS = 100;
/** How long the end of the process waits for an output that takes nothing. */
const LAST_PATIENCE_MS = 200;
/** Nobody will ever read what is written. */
const GONE = new Set(['EPIPE', 'EBADF', 'ENXIO', 'EDESTADDRREQ']);

/** Writes to a descriptor at once; how many bytes it took. Throws what the system says. */
export type Write = (bytes: string | Uint8Array) => number;

/**
 * Where the log goes. Each line is written at once, but a full disk, or a reader that has stopped reading, neither ends nor
 * holds up the program: lines wait up to a bound, what goes beyond it is counted, and the count is told when writing works again.
 */
export class LogOutput {
  /** Lines that were lost since the start. */
  lost = 0;
  /** Writing works again after so many lines were lost. */
  onRecovered: ((lost: number) => void) | undefined = undefined;
  private readonly writeNow: Write;
  private pending: string[] = [];
  private pendingLength = 0;
  /** What is left of a line that was taken in part. */
  private rest: Uint8Array | undefined = undefined;
  private told = 0;
  private timer: NodeJS.Timeout | undefined = undefined;
  private gone = false;

  constructor(write: Write = toStandardOutput) {
    this.writeNow = write;
  }

  write(line: string): void {
    if (this.gone) return;
    if (this.timer === undefined) {
      if (this.take(line)) return;
    } else if (this.pendingLength + line.length > MAX_PENDING) {
      this.lost++;
      return;
    } else {
      this.pending.push(line);
      this.pendingLength += line.length;
    }
    this.timer ??= setTimeout(() => this.retry(), RETRY_MS).unref();
  }

  /** Last chance: the process ends. Blocks for a moment where the output is busy. */
  end(): void {
    const until = performance.now() + LAST_PATIENCE_MS;
    while (!this.flush() && performance.now() < until) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }

  private retry(): void {
    this.timer = undefined;
    if (!this.flush()) {
      this.timer = setTimeout(() => this.retry(), RETRY_MS).unref();
    } else if (this.lost > this.told) {
      const lost = this.lost - this.told;
      this.told = this.lost;
      this.onRecovered?.(lost);
    }
  }

  /** True when nothing waits any more. */
  private flush(): boolean {
    const lines = this.pending;
    let done = 0;
    while (done < lines.length || this.rest !== undefined) {
      if (this.rest !== undefined) {
        if (!this.takeRest()) break;
      } else if (!this.takeWaiting(lines[done]!)) break;
      else done++;
    }
    if (done > 0) {
      this.pending = lines.slice(done);
      this.pendingLength = this.pending.reduce((sum, line) => sum + line.length, 0);
    }
    return this.gone || (this.pending.length === 0 && this.rest === undefined);
  }

  /** Write a line, or remember what was not taken of it. False when something has to wait. */
  private take(line: string): boolean {
    const taken = this.attempt(line);
    if (this.gone) return true;
    if (taken <= 0) {
      this.pending.push(line);
      this.pendingLength += line.length;
      return false;
    }
    return this.keepRest(line, taken);
  }

  /** The same for a line that waits already: true when it need not wait in the list any more. */
  private takeWaiting(line: string): boolean {
    const taken = this.attempt(line);
    if (taken > 0) this.keepRest(line, taken);
    return this.gone || taken > 0;
  }

  private takeRest(): boolean {
    const { rest } = this;
    const taken = this.attempt(rest!);
    this.rest = this.gone || taken >= rest!.length ? undefined : rest!.subarray(Math.max(0, taken));
    return this.rest === undefined;
  }

  private keepRest(line: string, taken: number): boolean {
    // Nearly always all of it: a line has as many bytes as characters, or more.
    if (taken >= line.length && taken >= Buffer.byteLength(line)) return true;
    this.rest = Buffer.from(line).subarray(taken);
    return false;
  }

  /** How many bytes were taken; -1 for none. */
  private attempt(bytes: string | Uint8Array): number {
    try {
      return this.writeNow(bytes);
    } catch (error) {
      if (GONE.has((error as NodeJS.ErrnoException).code ?? '')) {
        this.gone = true;
        this.pending = [];
        this.rest = undefined;
      }
      return -1;
    }
  }
}

function toStandardOutput(bytes: string | Uint8Array): number {
  return typeof bytes === 'string' ? writeSync(1, bytes) : writeSync(1, bytes);
}

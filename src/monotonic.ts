import { performance } from 'node:perf_hooks';

/** performance.now() counts from each thread's own start; this makes it one clock for all threads of the process. */
const OFFSET = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** Monotonic milliseconds with fractions, the same in every thread; says nothing about the time of day. */
export function monotonic(): number {
  return performance.now() + OFFSET;
}

import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 200;

/**
 * Look again and again until `isDone` holds or `timeoutMs` (0 = never) is over. Resolves to what was seen last. Rejects
 * as `look` does.
 */
export async function waitUntil<T>(
  timeoutMs: number,
  look: () => Promise<T>,
  isDone: (seen: T) => boolean,
): Promise<{ readonly done: boolean; readonly last: T }> {
  const deadline = timeoutMs === 0 ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs;
  for (;;) {
    const last = await look();
    if (isDone(last)) return { done: true, last };
    const left = deadline - performance.now();
    if (left <= 0) return { done: false, last };
    await sleep(Math.min(POLL_MS, left));
  }
}

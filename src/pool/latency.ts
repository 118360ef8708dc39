import type { SharedTable } from './table.js';

/** Time constant of the moving average: after so long a sample weighs 1/e. */
const TAU_MS = 10_000;

/**
 * Feed one response time into a backend's peak-EWMA: it rises to a worse sample at once and sinks slowly, so that a
 * backend that begins to stall is avoided at its first slow answer. `ms` >= 0; `now` is the engine's clock.
 * Source: Twitter Finagle's PeakEwma (com.twitter.finagle.loadbalancer.PeakEwma).
 */
export function sampleLatency(table: SharedTable, slot: number, ms: number, now: number): void {
  const before = table.latency[slot]!;
  const age = Math.max(0, now - table.latencyAt[slot]!);
  table.latencyAt[slot] = now;
  if (ms >= before) {
    table.latency[slot] = ms;
    return;
  }
  const keep = Math.exp(-age / TAU_MS);
  table.latency[slot] = before * keep + ms * (1 - keep);
}

/**
 * Let the average of a backend that gets no samples sink, so that a slow one is tried again some day. Called now and
 * then by the control plane, never on the hot path.
 */
export function decayLatency(table: SharedTable, slot: number, now: number): void {
  const before = table.latency[slot]!;
  const age = now - table.latencyAt[slot]!;
  if (before === 0 || age < TAU_MS / 10) return;
  table.latencyAt[slot] = now;
  table.latency[slot] = before * Math.exp(-age / TAU_MS);
}

import { isDeepStrictEqual } from 'node:util';
import type { HealthConfig } from '../config/schema.js';

/** A service's `[services.X.health]`, parsed: durations in milliseconds, `send` and `expect` as bytes. */
export type HealthSettings = HealthConfig;

/** What decides how and when to probe; the other settings only say what to make of the results. */
export function probing(settings: HealthSettings): Partial<HealthSettings> {
  const { fall, rise, passive_failures, on_down, slow_start, panic_threshold, ...others } = settings;
  const { role, max_lag, split_brain, ...rest } = others;
  return rest;
}

/** True when running probes may go on as they are under the other settings. */
export function sameProbing(a: HealthSettings, b: HealthSettings): boolean {
  return isDeepStrictEqual(probing(a), probing(b));
}

import { Lb4Error } from './errors.js';

const UNITS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** setTimeout's range: 2^31 - 1 ms, about 24.8 days. */
export const MAX_DURATION_MS = 2_147_483_647;

/**
 * Parse a duration such as `500ms`, `5s`, `1.5m`, `2h`, `1d` or `0` into whole milliseconds.
 * Range 0 to MAX_DURATION_MS. Throws Lb4Error LB4_DURATION.
 */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text.trim());
  const unit = match?.[2];
  const amount = Number(match?.[1]);
  if (!match || (unit === undefined && amount !== 0)) {
    throw bad('a duration such as "500ms", "5s", "2m" or "0"', text);
  }
  const ms = Math.round(amount * (unit === undefined ? 1 : UNITS[unit]!));
  if (ms > MAX_DURATION_MS) {
    throw bad('a duration of at most 24d', text);
  }
  return ms;
}

/** Longer text is not shown as a whole. */
const MAX_SHOWN = 80;

function bad(expected: string, text: string): Lb4Error {
  const shown = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
  return new Lb4Error('LB4_DURATION', `expected ${expected}, got ${JSON.stringify(shown)}`);
}

/** The shortest text that parses back to the same number of milliseconds: 90000 → `90s`, 120000 → `2m`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s';
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    const size = UNITS[unit]!;
    if (ms % size === 0) return `${ms / size}${unit}`;
  }
  return `${ms}ms`;
}

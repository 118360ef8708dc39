import { Lb4Error } from '../errors.js';
import { show } from './text.js';

const SECONDS: Record<string, number> = { s: 1, m: 60, h: 3600 };
/** The slowest and fastest rate, per second: one an hour and a million a second. */
export const MIN_RATE = 1 / 3600;
export const MAX_RATE = 1_000_000;

/**
 * Parse a rate such as `100/s`, `30/m`, `5/h` or `0` (no limit) into events per second.
 * Range 0, or MIN_RATE to MAX_RATE. Throws Lb4Error LB4_CONFIG.
 */
export function parseRate(text: string): number {
  const match = /^(\d{1,16}(?:\.\d{1,20})?)(?:\/([smh]))?$/.exec(text.trim());
  const amount = Number(match?.[1]);
  if (!match || (match[2] === undefined && amount !== 0)) {
    throw new Lb4Error('LB4_CONFIG', `expected a rate such as "100/s", "30/m" or "0", got ${show(text)}`);
  }
  const perSecond = amount / SECONDS[match[2] ?? 's']!;
  if (perSecond !== 0 && (perSecond < MIN_RATE || perSecond > MAX_RATE)) {
    throw new Lb4Error('LB4_CONFIG', `expected a rate from "1/h" to "${MAX_RATE}/s", got ${show(text)}`);
  }
  return perSecond;
}

/** Text that parses back to exactly the same rate, in the unit that reads best. */
export function formatRate(perSecond: number): string {
  if (perSecond === 0) return '0';
  for (const [unit, seconds] of Object.entries(SECONDS)) {
    const amount = Math.round(perSecond * seconds);
    if (amount / seconds === perSecond) return `${amount}/${unit}`;
  }
  return `${perSecond}/s`;
}

/** Figures for people: short, at most about three digits, the same width again and again. */

const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
const COUNT_UNITS = ['', 'k', 'M', 'G'];
/** Up to here a count is shown to the last digit. */
const EXACT_COUNT = 99_999;

/** `0 B`, `999 B`, `1.2 kB`, `34 MB`, `567 GB` (powers of 1000); `bytes` is 0 or more. */
export function humanBytes(bytes: number): string {
  const { amount, step } = scale(Math.round(bytes), BYTE_UNITS.length);
  return `${step === 0 ? amount : threeDigits(amount)} ${BYTE_UNITS[step]}`;
}

/** `0`, `99999`, `123k`, `1.2M`. */
export function humanCount(count: number): string {
  if (count <= EXACT_COUNT) return String(Math.round(count));
  const { amount, step } = scale(count, COUNT_UNITS.length);
  return `${threeDigits(amount)}${COUNT_UNITS[step]}`;
}

/** Events a second: `0`, `0.3`, `4.2`, `340`, `1.2k`. */
export function humanRate(perSecond: number): string {
  if (perSecond === 0) return '0';
  const { amount, step } = scale(perSecond, COUNT_UNITS.length);
  return `${threeDigits(amount)}${COUNT_UNITS[step]}`;
}

/** `0.24 ms`, `3.4 ms`, `340 ms`, `1.2 s`. */
export function humanMs(ms: number): string {
  if (ms < 0.995) return `${ms.toFixed(2)} ms`;
  if (ms < 999.5) return `${threeDigits(ms)} ms`;
  return `${threeDigits(ms / 1000)} s`;
}

const TIMES = [
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
  ['s', 1],
] as const;

/** A time that has passed, in its two largest units: `4s`, `2m 5s`, `3d 4h`. */
export function humanSeconds(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const first = TIMES.findIndex(([, size]) => whole >= size);
  if (first === -1) return '0s';
  const [unit, size] = TIMES[first]!;
  const [smaller, smallerSize] = TIMES[first + 1] ?? ['', 1];
  const rest = smaller === '' ? 0 : Math.floor((whole % size) / smallerSize);
  return `${Math.floor(whole / size)}${unit}${rest === 0 ? '' : ` ${rest}${smaller}`}`;
}

/** `1 connection`, `2 connections`. */
export function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}

/** Divide by 1000 until what `threeDigits` makes of it has no more than three. */
function scale(value: number, units: number): { amount: number; step: number } {
  let amount = value;
  let step = 0;
  while (amount >= 999.5 && step < units - 1) {
    amount /= 1000;
    step++;
  }
  return { amount, step };
}

/** `1.2`, `9.9`, `10`, `123`. */
function threeDigits(value: number): string {
  return value < 9.95 ? value.toFixed(1) : String(Math.round(value));
}

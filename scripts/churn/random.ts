/** Chance that can be repeated: mulberry32, a small generator of 32 bits of state. */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed | 0;
  }

  /** 0 to 2^32 - 1. */
  word(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let x = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return (x ^ (x >>> 14)) >>> 0;
  }

  /** A whole number, both ends included. */
  between(low: number, high: number): number {
    return low + (this.word() % (high - low + 1));
  }

  chance(percent: number): boolean {
    return this.word() % 100 < percent;
  }

  one<T>(list: readonly T[]): T {
    return list[this.word() % list.length]!;
  }

  /** Mostly small, sometimes as large as `most`. */
  size(most: number): number {
    const bits = this.between(0, Math.ceil(Math.log2(most)));
    return Math.min(most, this.between(0, 2 ** bits));
  }
}

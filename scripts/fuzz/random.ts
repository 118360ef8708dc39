/** Random numbers from a seed: the same seed gives the same numbers. (George Marsaglia, Xorshift RNGs, 2003: xorshift128.) */
export class Random {
  private readonly state: Uint32Array;

  /** `seed`: any whole number. */
  constructor(seed: number) {
    this.state = Uint32Array.of(seed, 362436069, 521288629, 88675123);
    for (let i = 0; i < 16; i++) this.next();
  }

  /** 0 to 2^32 - 1. */
  next(): number {
    const { state } = this;
    const t = state[0]! ^ (state[0]! << 11);
    state[0] = state[1]!;
    state[1] = state[2]!;
    state[2] = state[3]!;
    state[3] = state[3]! ^ (state[3]! >>> 19) ^ t ^ (t >>> 8);
    return state[3]!;
  }

  /** 0 to n - 1; 0 where n is 0. */
  below(n: number): number {
    return n === 0 ? 0 : this.next() % n;
  }

  /** True once in n times. */
  once(n: number): boolean {
    return this.below(n) === 0;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  /** Small numbers mostly, now and then up to `max`. */
  size(max: number): number {
    return this.once(8) ? this.below(max + 1) : Math.min(max, this.below(9));
  }
}

import { Random } from './random.js';

/** A prime, so that no chunk of a round size fits in the wrong place. */
const LENGTH = 1_048_573;
const NOISE = Buffer.allocUnsafe(LENGTH);
const random = new Random(1);
for (let i = 0; i < LENGTH; i++) NOISE[i] = random.word();

/** The bytes of a stream: the same for the same number, and different at each place. */
export class Stream {
  /** Bytes so far. */
  at = 0;
  private readonly start: number;

  constructor(number: number) {
    this.start = Math.imul(number, 7919) >>> 0;
  }

  /** The next bytes, at most `most`; not to be changed. */
  take(most: number): Buffer {
    const from = (this.start + this.at) % LENGTH;
    const bytes = NOISE.subarray(from, Math.min(LENGTH, from + most));
    this.at += bytes.length;
    return bytes;
  }

  /** Whether these are the next bytes. */
  matches(bytes: Buffer): boolean {
    for (let done = 0; done < bytes.length; ) {
      const next = this.take(bytes.length - done);
      if (next.compare(bytes, done, done + next.length) !== 0) return false;
      done += next.length;
    }
    return true;
  }
}

import { MAX_INPUT } from './mutate.js';

const HEAD = 8;

/** Tells another thread that one goes on, and with what input. */
export class Heartbeat {
  /** [0] beats so far, [1] length of the input. */
  private readonly numbers: Int32Array;
  private readonly bytes: Uint8Array;

  constructor(buffer = new SharedArrayBuffer(HEAD + 2 * MAX_INPUT)) {
    this.numbers = new Int32Array(buffer, 0, 2);
    this.bytes = new Uint8Array(buffer, HEAD);
  }

  get buffer(): SharedArrayBuffer {
    return this.numbers.buffer as SharedArrayBuffer;
  }

  beat(input: Uint8Array): void {
    this.bytes.set(input.subarray(0, this.bytes.length));
    this.numbers[1] = Math.min(input.length, this.bytes.length);
    Atomics.add(this.numbers, 0, 1);
  }

  get count(): number {
    return Atomics.load(this.numbers, 0);
  }

  /** The input of the last beat. */
  get input(): Uint8Array {
    return this.bytes.slice(0, this.numbers[1]);
  }
}

import { Peer } from './address.js';

/**
 * Records on their way to another process, as few pieces of memory: numbers in one array, bytes behind each other, each text
 * once. Whoever reads a record knows what is in it, and reads in the order in which it was written.
 */
export interface Pack {
  readonly numbers: Float64Array<ArrayBuffer>;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly texts: readonly string[];
  /** Where each record begins in `numbers`; -1 = there is none any more. */
  readonly starts: Int32Array<ArrayBuffer>;
}

const FIRST_NUMBERS = 4_096;
/** No such record, no such descriptor. */
export const NONE = -1;

export class PackWriter {
  /** Descriptors that were written, by number; several packs may share the list. */
  private readonly fds: number[];
  private numbers = new Float64Array(FIRST_NUMBERS);
  private length = 0;
  private readonly chunks: Uint8Array[] = [];
  private bytesLength = 0;
  private readonly texts: string[] = [];
  private readonly places = new Map<string, number>();
  private readonly starts: number[] = [];

  constructor(fds: number[]) {
    this.fds = fds;
  }

  /** The next record begins. */
  begin(): void {
    this.starts.push(this.length);
  }

  /** The next record is that of something that is over. */
  skip(): void {
    this.starts.push(NONE);
  }

  number(value: number): void {
    if (this.length === this.numbers.length) {
      const numbers = new Float64Array(this.length * 2);
      numbers.set(this.numbers);
      this.numbers = numbers;
    }
    this.numbers[this.length++] = value;
  }

  text(text: string): void {
    let place = this.places.get(text);
    if (place === undefined) {
      place = this.texts.push(text) - 1;
      this.places.set(text, place);
    }
    this.number(place);
  }

  /** The memory must not change before `take`. */
  data(bytes: Uint8Array): void {
    this.number(bytes.length);
    if (bytes.length === 0) return;
    this.number(this.bytesLength);
    this.chunks.push(bytes);
    this.bytesLength += bytes.length;
  }

  /** NONE where there is none. */
  fd(fd: number): void {
    this.number(fd < 0 ? NONE : this.fds.push(fd) - 1);
  }

  peer(peer: Peer): void {
    this.number(peer.family);
    if (peer.family === 0) return;
    this.number(peer.port);
    this.number(peer.a3);
    if (peer.family === 4) return;
    this.number(peer.a0);
    this.number(peer.a1);
    this.number(peer.a2);
  }

  take(): Pack {
    const bytes = new Uint8Array(this.bytesLength);
    let at = 0;
    for (const chunk of this.chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return {
      numbers: this.numbers.slice(0, this.length),
      bytes,
      texts: this.texts,
      starts: Int32Array.from(this.starts),
    };
  }
}

export class PackReader {
  /** Records, those that are over included. */
  readonly count: number;
  private readonly pack: Pack;
  private readonly numbers: Float64Array;
  private readonly fds: ArrayLike<number>;
  private at = 0;

  /** `fds`: the descriptors as this process knows them. */
  constructor(pack: Pack, fds: ArrayLike<number>) {
    this.pack = pack;
    this.numbers = pack.numbers;
    this.count = pack.starts.length;
    this.fds = fds;
  }

  /** Go to the beginning of a record; false when there is none any more. */
  seek(record: number): boolean {
    this.at = this.pack.starts[record]!;
    return this.at !== NONE;
  }

  number(): number {
    return this.numbers[this.at++]!;
  }

  text(): string {
    return this.pack.texts[this.number()]!;
  }

  /** A copy. */
  data(): Uint8Array {
    const length = this.number();
    if (length === 0) return EMPTY;
    const from = this.number();
    return Uint8Array.prototype.slice.call(this.pack.bytes, from, from + length);
  }

  fd(): number {
    const place = this.number();
    return place === NONE ? NONE : this.fds[place]!;
  }

  peer(): Peer {
    const peer = new Peer();
    const family = this.number();
    if (family === 0) return peer;
    const port = this.number();
    const a3 = this.number();
    if (family === 4) return peer.setV4(a3, port);
    return peer.setV6(this.number(), this.number(), this.number(), a3, port);
  }
}

const EMPTY = new Uint8Array(0);

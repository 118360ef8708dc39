import { Gathered, quoteBytes } from './bytes.js';
import { ProbeError } from './probe.js';
import { MAX_ANSWER } from './wire.js';

/** An answer of a Redis server (RESP, version 2). Null is a null string or a null array; numbers beyond 2^53 are rounded. */
export type Reply = string | number | null | RespError | readonly Reply[];

/** An error answer: `ERR unknown command`. Untrusted text: to be quoted wherever it is shown. */
export class RespError {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Replies inside of replies: ROLE needs three levels. */
const MAX_DEPTH = 4;
/** Elements of one reply, all levels together. */
const MAX_ELEMENTS = 4_096;
/** Longer than any line of RESP; long text comes as a bulk string. */
const MAX_LINE = 1_024;
const CR = 13;
const LF = 10;

/** A command as RESP: an array of bulk strings. */
export function command(...words: readonly string[]): string {
  return `*${words.length}\r\n${words.map(word => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
}

/** An array whose elements have not all come. */
interface Open {
  readonly found: Reply[];
  readonly count: number;
}

/**
 * Takes the answers of a server apart as they come, each byte once. Bounded in length, depth and number, whatever comes and
 * however it is cut.
 */
export class RespReader {
  private readonly gathered = new Gathered();
  /** Where what was not taken apart yet begins. */
  private at = 0;
  /** The arrays around the next element, the outermost first. */
  private readonly open: Open[] = [];
  private elements = 0;
  /** Length of the bulk string that comes next; -1 where none does. */
  private bulkLength = -1;

  /** Throws ProbeError when more than 64 KiB have come. */
  push(chunk: Uint8Array): void {
    if (this.gathered.length + chunk.length > MAX_ANSWER) throw tooLong();
    this.gathered.add(chunk);
  }

  /** The next answer, or undefined while it has not come as a whole. Throws ProbeError when it is no RESP. */
  next(): Reply | undefined {
    for (;;) {
      const element = this.bulkLength === -1 ? this.element() : this.bulk();
      if (element === undefined) return undefined;
      const reply = element === BEGUN ? undefined : this.closed(element);
      if (reply !== undefined) return reply;
    }
  }

  /** A reply that is no array with something in it; BEGUN where more of it follows. */
  private element(): Reply | typeof BEGUN | undefined {
    const line = this.line();
    if (line === undefined) return undefined;
    if (this.open.length > MAX_DEPTH || ++this.elements > MAX_ELEMENTS) {
      throw new ProbeError('the answer is nested or split up more than any of Redis');
    }
    const text = line.toString('utf8', 1);
    switch (line[0]) {
      case 0x2b: // +
        return text;
      case 0x2d: // -
        return new RespError(text);
      case 0x3a: // :
        return number(line);
      case 0x24: // $
        return this.beginBulk(number(line));
      case 0x2a: // *
        return this.beginArray(number(line), line);
      default:
        throw notRedis(line);
    }
  }

  private beginBulk(length: number): null | typeof BEGUN {
    if (length === -1) return null;
    if (length < 0 || length > MAX_ANSWER) throw tooLong();
    this.bulkLength = length;
    return BEGUN;
  }

  private beginArray(count: number, line: Uint8Array): readonly Reply[] | null | typeof BEGUN {
    if (count === -1) return null;
    if (count < 0) throw notRedis(line);
    if (count === 0) return [];
    this.open.push({ found: [], count });
    return BEGUN;
  }

  private bulk(): string | undefined {
    const { bytes } = this.gathered;
    const end = this.at + this.bulkLength;
    if (bytes.length < end + 2) return undefined;
    if (bytes[end] !== CR || bytes[end + 1] !== LF) throw notRedis(bytes.subarray(this.at));
    const text = bytes.toString('utf8', this.at, end);
    this.at = end + 2;
    this.bulkLength = -1;
    return text;
  }

  /** The whole answer, if this was the last of its elements. */
  private closed(element: Reply): Reply | undefined {
    let reply = element;
    for (let around = this.open.at(-1); around !== undefined; around = this.open.at(-1)) {
      around.found.push(reply);
      if (around.found.length < around.count) return undefined;
      this.open.pop();
      reply = around.found;
    }
    this.elements = 0;
    return reply;
  }

  /** Up to the next CR LF, without them. */
  private line(): Buffer | undefined {
    const { bytes } = this.gathered;
    const end = bytes.subarray(0, this.at + MAX_LINE + 2).indexOf('\r\n', this.at);
    if (end === -1) {
      if (bytes.length - this.at > MAX_LINE + 1) throw notRedis(bytes.subarray(this.at));
      return undefined;
    }
    const line = bytes.subarray(this.at, end);
    this.at = end + 2;
    return line;
  }
}

const BEGUN = Symbol('begun');

function number(line: Uint8Array): number {
  const text = Buffer.from(line).toString('latin1', 1);
  if (!/^-?\d{1,19}$/.test(text)) throw notRedis(line);
  return Number(text);
}

function notRedis(bytes: Uint8Array): ProbeError {
  return new ProbeError(`expected an answer of Redis, got ${quoteBytes(bytes)}`);
}

function tooLong(): ProbeError {
  return new ProbeError('the answer is longer than 64 KiB');
}

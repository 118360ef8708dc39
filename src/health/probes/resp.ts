import { quoteBytes } from './bytes.js';
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
/** Longer than any line of RESP but an error's text. */
const MAX_LINE = 1_024;
const CR = 13;
const LF = 10;

/** A command as RESP: an array of bulk strings. */
export function command(...words: readonly string[]): string {
  return `*${words.length}\r\n${words.map(word => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
}

/** Takes the answers of a server apart as they come. Bounded in length, depth and number, whatever comes. */
export class RespReader {
  private bytes = Buffer.alloc(0);
  private at = 0;
  private elements = 0;

  /** Throws ProbeError when more than 64 KiB have come. */
  push(chunk: Uint8Array): void {
    this.bytes = Buffer.concat([this.bytes, chunk]);
    if (this.bytes.length > MAX_ANSWER) throw new ProbeError('the answer is longer than 64 KiB');
  }

  /** The next answer, or undefined while it has not come as a whole. Throws ProbeError when it is no RESP. */
  next(): Reply | undefined {
    const start = this.at;
    this.elements = 0;
    const reply = this.reply(0);
    if (reply === undefined) this.at = start;
    return reply;
  }

  /** What came and is no whole answer, for messages. */
  get rest(): Uint8Array {
    return this.bytes.subarray(this.at);
  }

  private reply(depth: number): Reply | undefined {
    if (depth > MAX_DEPTH || ++this.elements > MAX_ELEMENTS) {
      throw new ProbeError('the answer is nested or split up more than any of Redis');
    }
    const line = this.line();
    if (line === undefined) return undefined;
    const text = line.toString('utf8', 1);
    switch (line[0]) {
      case 0x2b: // +
        return text;
      case 0x2d: // -
        return new RespError(text);
      case 0x3a: // :
        return number(line);
      case 0x24: // $
        return this.bulk(number(line));
      case 0x2a: // *
        return this.array(number(line), depth);
      default:
        throw notRedis(line);
    }
  }

  private bulk(length: number): string | null | undefined {
    if (length === -1) return null;
    if (length < 0 || length > MAX_ANSWER) throw new ProbeError('the answer is longer than 64 KiB');
    const end = this.at + length;
    if (this.bytes.length < end + 2) return undefined;
    if (this.bytes[end] !== CR || this.bytes[end + 1] !== LF) throw notRedis(this.rest);
    const text = this.bytes.toString('utf8', this.at, end);
    this.at = end + 2;
    return text;
  }

  private array(count: number, depth: number): readonly Reply[] | null | undefined {
    if (count === -1) return null;
    if (count < 0) throw notRedis(this.rest);
    const found: Reply[] = [];
    while (found.length < count) {
      const element = this.reply(depth + 1);
      if (element === undefined) return undefined;
      found.push(element);
    }
    return found;
  }

  /** Up to the next CR LF, without them. */
  private line(): Buffer | undefined {
    const end = this.bytes.indexOf('\r\n', this.at);
    if (end === -1) {
      if (this.bytes.length - this.at > MAX_LINE) throw notRedis(this.rest);
      return undefined;
    }
    const line = this.bytes.subarray(this.at, end);
    this.at = end + 2;
    return line;
  }
}

function number(line: Uint8Array): number {
  const text = Buffer.from(line).toString('latin1', 1);
  if (!/^-?\d{1,19}$/.test(text)) throw notRedis(line);
  return Number(text);
}

function notRedis(bytes: Uint8Array): ProbeError {
  return new ProbeError(`expected an answer of Redis, got ${quoteBytes(bytes)}`);
}

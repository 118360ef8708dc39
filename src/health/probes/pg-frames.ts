import { quoteBytes } from './bytes.js';
import { ProbeError } from './probe.js';
import { MAX_ANSWER } from './wire.js';

/** Messages that `pg` gets to see: authentication, error, row description, row, command complete, ready for query. */
const WANTED = new Set('RETDCZ');
/** Messages that a server may send at any time, and that nobody here asks for: parameters, key, notice, notification. */
const UNWANTED = new Set('SKNA');

/**
 * Cuts what a PostgreSQL server says into messages. Only whole messages of a kind that a probe expects are passed on:
 * what `pg` parses them with waits for ever for the end of an error that has none.
 */
export class PgFrames {
  private bytes = Buffer.alloc(0);
  private taken = 0;

  /** A new question: its answer may be as long as any. */
  reset(): void {
    this.taken = 0;
  }

  /** The messages that are whole by now. Throws ProbeError for what is no message, and after 64 KiB of answer. */
  take(chunk: Uint8Array): Buffer[] {
    this.taken += chunk.length;
    if (this.taken > MAX_ANSWER) throw new ProbeError('the answer is longer than 64 KiB');
    this.bytes = Buffer.concat([this.bytes, chunk]);
    const found: Buffer[] = [];
    for (;;) {
      const { bytes } = this;
      if (bytes.length > 0) check(bytes);
      if (bytes.length < 5 || bytes.length < 1 + bytes.readUInt32BE(1)) return found;
      const end = 1 + bytes.readUInt32BE(1);
      const message = bytes.subarray(0, end);
      this.bytes = bytes.subarray(end);
      if (!WANTED.has(typeOf(message))) continue;
      if (typeOf(message) === 'E' && !isTerminated(message)) throw notPostgres(message);
      found.push(message);
    }
  }
}

/** Throws when this cannot be the beginning of a message: type, then the length of all that follows. */
function check(bytes: Buffer): void {
  const type = typeOf(bytes);
  if (!WANTED.has(type) && !UNWANTED.has(type)) throw notPostgres(bytes);
  if (bytes.length < 5) return;
  const length = bytes.readUInt32BE(1);
  if (length < 4 || length > MAX_ANSWER) throw notPostgres(bytes);
}

function typeOf(message: Uint8Array): string {
  return String.fromCharCode(message[0]!);
}

/** An error is fields, each a letter and text up to a zero; a zero in place of a letter ends it. */
function isTerminated(message: Buffer): boolean {
  let at = 5;
  while (at < message.length && message[at] !== 0) {
    const end = message.indexOf(0, at + 1);
    if (end === -1) return false;
    at = end + 1;
  }
  return at === message.length - 1;
}

function notPostgres(bytes: Uint8Array): ProbeError {
  return new ProbeError(`expected an answer of PostgreSQL, got ${quoteBytes(bytes)}`);
}

const SHOWN = 48;
const MAX_PLAIN = 200;
const ESCAPES: Readonly<Record<number, string>> = { 9: '\\t', 10: '\\n', 13: '\\r', 34: '\\"', 92: '\\\\' };

/** Somebody else's text on one line and without anything that is not printable, at most 200 characters. */
export function plain(text: string): string {
  if (text === '') return 'an error without a word';
  const shown = text.length > MAX_PLAIN ? `${text.slice(0, MAX_PLAIN)}…` : text;
  return shown.replace(/[^ -~…]/g, '?');
}

/** Bytes as quoted printable text for a message, at most 48 of them: `"-ERR no\r\n"`, `"\x00\x01…"`. */
export function quoteBytes(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes.subarray(0, SHOWN)) {
    const printable = byte >= 32 && byte < 127;
    text +=
      ESCAPES[byte] ?? (printable ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`);
  }
  return bytes.length > SHOWN ? `"${text}…"` : `"${text}"`;
}

/** What a server has said so far. Adding to it costs the same however it is cut. */
export class Gathered {
  length = 0;
  private buffer = Buffer.allocUnsafe(256);

  /** A view, until more is added. */
  get bytes(): Buffer {
    return this.buffer.subarray(0, this.length);
  }

  add(chunk: Uint8Array): void {
    const length = this.length + chunk.length;
    if (length > this.buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(length, 2 * this.buffer.length));
      larger.set(this.bytes);
      this.buffer = larger;
    }
    this.buffer.set(chunk, this.length);
    this.length = length;
  }
}

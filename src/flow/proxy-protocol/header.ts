import { Peer } from '../../address.js';

export type ProxyVersion = 'v1' | 'v2';
/** `dgram` is for UDP and exists in v2 only. */
export type ProxyTransport = 'stream' | 'dgram';

/** What `parseProxyHeader` returns for bytes that can never become a valid header. */
export const PROXY_INVALID = -1;

/** What a header says; a parser fills the same object again for each connection. */
export class ProxyHeader {
  /** The client as the sender saw it; holds only when the header was complete and `local` is false. */
  readonly source = new Peer();
  /** The address the client connected to; holds as `source` does. */
  readonly destination = new Peer();
  /** True when the header names no IP addresses (LOCAL, UNKNOWN, UNSPEC, unix): those of the connection itself count. */
  local = false;
  /** After PROXY_INVALID: what was expected and what was found, with bytes escaped. */
  error = '';
}

const NOBODY = new Peer();

/** The header is complete and names no addresses; returns `consumed`. */
export function acceptLocal(out: ProxyHeader, consumed: number): number {
  out.source.copyFrom(NOBODY);
  out.destination.copyFrom(NOBODY);
  out.local = true;
  return consumed;
}

/** Bytes of a refused header that its error shows. */
const SHOWN = 16;

/** The bytes are no header; `at` is where the part begins that is at fault. Returns PROXY_INVALID. */
export function reject(out: ProxyHeader, expected: string, bytes: Uint8Array, at = 0): number {
  out.error = `expected ${expected}, got ${quoteBytes(bytes, at)}`;
  return PROXY_INVALID;
}

/** A few bytes in quotes, printable whatever they are, with … when there are more. */
function quoteBytes(bytes: Uint8Array, at: number): string {
  const end = Math.min(bytes.length, at + SHOWN);
  let text = '"';
  for (let i = at; i < end; i++) {
    const byte = bytes[i]!;
    if (byte === 0x0d) text += '\\r';
    else if (byte === 0x0a) text += '\\n';
    else if (byte === 0x22 || byte === 0x5c) text += `\\${String.fromCharCode(byte)}`;
    else if (byte >= 0x20 && byte < 0x7f) text += String.fromCharCode(byte);
    else text += `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return end < bytes.length ? `${text}"…` : `${text}"`;
}

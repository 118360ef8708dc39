import type { Peer } from '../../address.js';
import { acceptLocal, type ProxyHeader, reject } from './header.js';
import { readDecimal, readQuad, readV6 } from './text.js';

/** A v1 line with its CRLF is never longer (specification 2.1). */
export const V1_MAX = 107;

const SPACE = 0x20;
const CR = 0x0d;
const LF = 0x0a;

const TCP4 = ascii('PROXY TCP4 ');
const TCP6 = ascii('PROXY TCP6 ');
const UNKNOWN = ascii('PROXY UNKNOWN');
const EXPECTED = 'a PROXY protocol v1 header';

/** The line `PROXY UNKNOWN`, for connections that stand for no client. */
export const V1_LOCAL = ascii('PROXY UNKNOWN\r\n');

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, c => c.charCodeAt(0));
}

/** True when the bytes so far agree with `start`, be they shorter or longer. */
function agrees(bytes: Uint8Array, start: Uint8Array): boolean {
  const n = Math.min(bytes.length, start.length);
  for (let i = 0; i < n; i++) if (bytes[i] !== start[i]) return false;
  return true;
}

/** Section 2.1 of the specification, to the letter. See `parseProxyHeader` for what is returned. */
export function parseV1(bytes: Uint8Array, out: ProxyHeader): number {
  const four = agrees(bytes, TCP4);
  if (!four && !agrees(bytes, TCP6)) {
    return agrees(bytes, UNKNOWN) ? parseUnknown(bytes, out) : reject(out, EXPECTED, bytes);
  }
  const limit = Math.min(bytes.length, V1_MAX - 1);
  let end = TCP4.length;
  while (end < limit && bytes[end] !== CR) {
    // Only printable ASCII can be part of an address or a port.
    if (bytes[end]! < SPACE || bytes[end]! > 0x7e) return reject(out, EXPECTED, bytes, end);
    end++;
  }
  if (end >= V1_MAX - 1) return reject(out, `a line of at most ${V1_MAX} bytes`, bytes);
  if (end + 1 >= bytes.length) return 0;
  if (bytes[end + 1] !== LF) return reject(out, 'a line that ends in \\r\\n', bytes, end);

  const sourceAt = TCP4.length;
  const destinationAt = fieldEnd(bytes, sourceAt, end) + 1;
  const sourcePortAt = fieldEnd(bytes, destinationAt, end) + 1;
  const destinationPortAt = fieldEnd(bytes, sourcePortAt, end) + 1;
  // With a field missing the ports begin behind the end and are refused; with one too many a space is inside the last.
  const sourcePort = readDecimal(bytes, sourcePortAt, destinationPortAt - 1, 65535);
  if (sourcePort === -1)
    return reject(out, 'a source port from 0 to 65535', bytes, Math.min(sourcePortAt, end));
  const port = readDecimal(bytes, destinationPortAt, end, 65535);
  if (port === -1) {
    return reject(out, 'a destination port from 0 to 65535', bytes, Math.min(destinationPortAt, end));
  }
  if (!readAddress(bytes, sourceAt, destinationAt - 1, four, sourcePort, out.source)) {
    return reject(out, `an IPv${four ? 4 : 6} source address`, bytes, sourceAt);
  }
  if (!readAddress(bytes, destinationAt, sourcePortAt - 1, four, port, out.destination)) {
    return reject(out, `an IPv${four ? 4 : 6} destination address`, bytes, destinationAt);
  }
  out.local = false;
  return end + 2;
}

/** `PROXY UNKNOWN`: whatever follows on the line is skipped. */
function parseUnknown(bytes: Uint8Array, out: ProxyHeader): number {
  const from = UNKNOWN.length;
  if (bytes.length > from && bytes[from] !== SPACE && bytes[from] !== CR) return reject(out, EXPECTED, bytes);
  const limit = Math.min(bytes.length, V1_MAX);
  for (let i = from + 1; i < limit; i++) {
    if (bytes[i] === LF && bytes[i - 1] === CR) return acceptLocal(out, i + 1);
  }
  return limit === V1_MAX ? reject(out, `a line of at most ${V1_MAX} bytes`, bytes) : 0;
}

function fieldEnd(bytes: Uint8Array, start: number, end: number): number {
  let i = start;
  while (i < end && bytes[i] !== SPACE) i++;
  return i;
}

function readAddress(
  bytes: Uint8Array,
  start: number,
  end: number,
  four: boolean,
  port: number,
  out: Peer,
): boolean {
  if (!four) return readV6(bytes, start, end, port, out);
  const address = readQuad(bytes, start, end);
  if (address === -1) return false;
  out.setV4(address, port);
  return true;
}

/** Write the line; see `writeProxyHeader`. v1 knows TCP only. */
export function writeV1(source: Peer, destination: Peer, into: Uint8Array): number {
  const four = source.family === 4 && destination.family === 4;
  const line = `PROXY TCP${four ? 4 : 6} ${text(source, four)} ${text(destination, four)} ${source.port} ${destination.port}\r\n`;
  for (let i = 0; i < line.length; i++) into[i] = line.charCodeAt(i);
  return line.length;
}

function text(peer: Peer, four: boolean): string {
  return four || peer.family === 6 ? peer.address : `::ffff:${peer.address}`;
}

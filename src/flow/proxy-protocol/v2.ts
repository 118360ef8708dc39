import type { Peer } from '../../address.js';
import { crc32c } from './crc32c.js';
import { acceptLocal, type ProxyHeader, type ProxyTransport, reject } from './header.js';

const SIGNATURE = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a);
const FIXED = 16;
/** Addresses and TLVs together; the specification allows 65535, real senders stay far below. */
export const V2_MAX_PAYLOAD = 2048;

const LOCAL = 0x20;
const PROXY = 0x21;
const INET = 1;
const INET6 = 2;
/** Length of the address block for each family: UNSPEC, INET, INET6, UNIX. */
const ADDRESS_LENGTH = Uint8Array.of(0, 12, 36, 216);
const TLV_CRC32C = 0x03;

/** A LOCAL header, for connections that stand for no client. */
export const V2_LOCAL = Uint8Array.of(...SIGNATURE, LOCAL, 0, 0, 0);

/** Section 2.2 of the specification. See `parseProxyHeader` for what is returned. */
export function parseV2(bytes: Uint8Array, out: ProxyHeader): number {
  const have = bytes.length;
  const known = Math.min(have, SIGNATURE.length);
  for (let i = 0; i < known; i++) {
    if (bytes[i] !== SIGNATURE[i]) return reject(out, 'a PROXY protocol v2 header', bytes);
  }
  if (have <= 12) return 0;
  const command = bytes[12]!;
  if (command !== LOCAL && command !== PROXY) {
    return reject(out, 'version 2 and the command LOCAL or PROXY', bytes, 12);
  }
  if (have <= 13) return 0;
  const family = bytes[13]! >>> 4;
  const transport = bytes[13]! & 15;
  // The receiver of LOCAL ignores this byte.
  if (command === PROXY && (family > 3 || transport > 2 || (family === 0) !== (transport === 0))) {
    return reject(out, 'an address family and transport of PROXY protocol v2', bytes, 13);
  }
  if (have < FIXED) return 0;
  const length = (bytes[14]! << 8) | bytes[15]!;
  if (length > V2_MAX_PAYLOAD) {
    return reject(out, `at most ${V2_MAX_PAYLOAD} bytes of addresses and TLVs`, bytes, 14);
  }
  if (command === PROXY && length < ADDRESS_LENGTH[family]!) {
    return reject(out, `at least ${ADDRESS_LENGTH[family]} bytes of addresses`, bytes, 14);
  }
  const end = FIXED + length;
  if (have < end) return 0;
  if (command === LOCAL || family === 0) return acceptLocal(out, end);
  if (!checkTlvs(bytes, FIXED + ADDRESS_LENGTH[family]!, end, out)) return -1;
  if (family === INET) {
    out.source.setV4(word(bytes, 16), port(bytes, 24));
    out.destination.setV4(word(bytes, 20), port(bytes, 26));
  } else if (family === INET6) {
    readV6(bytes, 16, port(bytes, 48), out.source);
    readV6(bytes, 32, port(bytes, 50), out.destination);
  } else {
    return acceptLocal(out, end);
  }
  out.local = false;
  return end;
}

/** Every TLV lies inside the header, and a checksum among them holds. */
function checkTlvs(bytes: Uint8Array, start: number, end: number, out: ProxyHeader): boolean {
  let at = start;
  while (at < end) {
    const length = at + 3 <= end ? port(bytes, at + 1) : end;
    const next = at + 3 + length;
    if (next > end) {
      reject(out, 'a TLV that ends inside the header', bytes, at);
      return false;
    }
    if (bytes[at] === TLV_CRC32C && (length !== 4 || word(bytes, at + 3) !== crc32c(bytes, end, at + 3))) {
      reject(out, 'a CRC-32C that matches the header', bytes, at);
      return false;
    }
    at = next;
  }
  return true;
}

function port(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

function word(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

function readV6(bytes: Uint8Array, at: number, portNumber: number, out: Peer): void {
  out.setV6(word(bytes, at), word(bytes, at + 4), word(bytes, at + 8), word(bytes, at + 12), portNumber);
}

/** Write the header; see `writeProxyHeader`. */
export function writeV2(
  source: Peer,
  destination: Peer,
  into: Uint8Array,
  transport: ProxyTransport,
): number {
  const four = source.family === 4 && destination.family === 4;
  const length = ADDRESS_LENGTH[four ? INET : INET6]!;
  into.set(SIGNATURE);
  into[12] = PROXY;
  into[13] = ((four ? INET : INET6) << 4) | (transport === 'dgram' ? 2 : 1);
  into[14] = 0;
  into[15] = length;
  if (four) {
    putWord(into, 16, source.a3);
    putWord(into, 20, destination.a3);
  } else {
    putV6(into, 16, source);
    putV6(into, 32, destination);
  }
  putPort(into, FIXED + length - 4, source.port);
  putPort(into, FIXED + length - 2, destination.port);
  return FIXED + length;
}

/** IPv4 becomes ::ffff:a.b.c.d. */
function putV6(into: Uint8Array, at: number, peer: Peer): void {
  putWord(into, at, peer.a0);
  putWord(into, at + 4, peer.a1);
  putWord(into, at + 8, peer.family === 4 ? 0xffff : peer.a2);
  putWord(into, at + 12, peer.a3);
}

function putWord(into: Uint8Array, at: number, value: number): void {
  into[at] = value >>> 24;
  into[at + 1] = value >>> 16;
  into[at + 2] = value >>> 8;
  into[at + 3] = value;
}

function putPort(into: Uint8Array, at: number, value: number): void {
  into[at] = value >>> 8;
  into[at + 1] = value;
}

/** PROXY with UNSPEC addresses: a client that has none, such as one on a unix socket. */
export const V2_UNSPEC = Uint8Array.of(...SIGNATURE, PROXY, 0, 0, 0);

/**
 * The PROXY protocol, versions 1 and 2 (https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt): reading a header
 * that comes in pieces and writing one. Bytes in, bytes out; no sockets.
 */
import type { Peer } from '../address.js';
import { Lb4Error } from '../errors.js';
import { type ProxyHeader, type ProxyTransport, type ProxyVersion, reject } from './proxy-protocol/header.js';
import { parseV1, V1_LOCAL, V1_MAX, writeV1 } from './proxy-protocol/v1.js';
import { parseV2, V2_LOCAL, V2_MAX_PAYLOAD, V2_UNSPEC, writeV2 } from './proxy-protocol/v2.js';

export {
  PROXY_INVALID,
  ProxyHeader,
  type ProxyTransport,
  type ProxyVersion,
} from './proxy-protocol/header.js';

/** A buffer of this size holds any header that `parseProxyHeader` accepts. */
export const MAX_PROXY_HEADER = 16 + V2_MAX_PAYLOAD;
/** A buffer of this size holds any header that `writeProxyHeader` writes. */
export const MAX_WRITTEN_HEADER = V1_MAX;

/**
 * Read a header from all the bytes that came so far. Returns how many bytes it takes (the rest is the client's data),
 * 0 when more are needed, or PROXY_INVALID (-1) with the reason in `out.error` as soon as no continuation could be valid.
 * 0 is never returned for MAX_PROXY_HEADER bytes or more. Allocates nothing unless the header is refused; never throws.
 *
 * v1 is taken to the letter: single spaces, no leading zeros, CRLF, at most 107 bytes. In v2 the TLVs are skipped but
 * have to fit, and a CRC-32C TLV has to be right; addresses and TLVs together may be up to 2048 bytes.
 */
export function parseProxyHeader(bytes: Uint8Array, mode: ProxyVersion | 'any', out: ProxyHeader): number {
  if (mode === 'v1') return parseV1(bytes, out);
  if (mode === 'v2') return parseV2(bytes, out);
  if (bytes.length === 0) return 0;
  if (bytes[0] === 0x50) return parseV1(bytes, out);
  if (bytes[0] === 0x0d) return parseV2(bytes, out);
  return reject(out, 'a PROXY protocol header', bytes);
}

/**
 * Write the header for a connection from `source` to `destination` to the start of `into` and return its length.
 * If only one of them is IPv6 the other is written as ::ffff:a.b.c.d. If one of them has no IP address (a unix socket)
 * the header says that the client is not known: v1 `UNKNOWN`, v2 `UNSPEC`; so does v1 for `dgram`, which it lacks.
 * v2 allocates nothing. Throws Lb4Error LB4_LIMIT when `into` is smaller than MAX_WRITTEN_HEADER.
 */
export function writeProxyHeader(
  version: ProxyVersion,
  source: Peer,
  destination: Peer,
  into: Uint8Array,
  transport: ProxyTransport = 'stream',
): number {
  if (into.length < MAX_WRITTEN_HEADER) {
    throw new Lb4Error(
      'LB4_LIMIT',
      `expected a buffer of ${MAX_WRITTEN_HEADER} bytes for a PROXY protocol header, got ${into.length}`,
    );
  }
  const unknown = source.family === 0 || destination.family === 0;
  if (unknown || (version === 'v1' && transport === 'dgram')) {
    const header = version === 'v1' ? V1_LOCAL : V2_UNSPEC;
    into.set(header);
    return header.length;
  }
  return version === 'v1'
    ? writeV1(source, destination, into)
    : writeV2(source, destination, into, transport);
}

/** The same as `writeProxyHeader` into new memory, for senders that keep the bytes until they are written. */
export function buildProxyHeader(
  version: ProxyVersion,
  source: Peer,
  destination: Peer,
  transport: ProxyTransport = 'stream',
): Uint8Array {
  const into = new Uint8Array(MAX_WRITTEN_HEADER);
  return into.subarray(0, writeProxyHeader(version, source, destination, into, transport));
}

/** The header of a connection that stands for no client, such as a health probe: v1 `UNKNOWN`, v2 `LOCAL`. A new copy. */
export function localHeader(version: ProxyVersion): Uint8Array {
  return (version === 'v1' ? V1_LOCAL : V2_LOCAL).slice();
}

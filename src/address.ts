import ipaddr from 'ipaddr.js';
import { Lb4Error } from './errors.js';

/** Where to connect or bind: an address and port, or a unix socket. `host` is always a literal IP, never a name. */
export type Endpoint =
  | { readonly kind: 'ip'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** What a backend list may name: an endpoint, a host name still to be resolved, or a DNS SRV name. */
export type Target =
  | Endpoint
  | { readonly kind: 'name'; readonly host: string; readonly port: number }
  | { readonly kind: 'srv'; readonly name: string };

/** A listen address. `any` is a bare port: every address, `[::]` dual stack or else 0.0.0.0. */
export type Bind = Endpoint | { readonly kind: 'any'; readonly port: number };

/** What a service may listen on: an address, or a socket that whoever starts this process has opened and named. */
export type Listen = Bind | { readonly kind: 'fd'; readonly name: string };

/**
 * An IP address and port as numbers, so that hashing, table look-ups and CIDR checks never touch text.
 * IPv4 sits in `a3` with `family` 4 (IPv4-mapped IPv6 is folded into it); IPv6 fills a0..a3, most significant first.
 * `family` 0 means "no IP address" (a unix socket). Mutable: engines reuse one object for each datagram.
 */
export class Peer {
  family: 0 | 4 | 6 = 0;
  a0 = 0;
  a1 = 0;
  a2 = 0;
  a3 = 0;
  port = 0;

  /** Read an address in text form; IPv4 dotted quads take a fast path without allocation. */
  setText(host: string, port: number): this {
    this.port = port;
    const dotted = host.startsWith('::ffff:') ? 7 : 0;
    const v4 = parseQuad(host, dotted);
    if (v4 !== -1) return this.setV4(v4, port);
    const zone = host.indexOf('%');
    const text = zone === -1 ? host : host.slice(0, zone);
    if (!ipaddr.IPv6.isValid(text)) {
      this.family = 0;
      this.a0 = this.a1 = this.a2 = this.a3 = 0;
      return this;
    }
    const parts = ipaddr.IPv6.parse(hexTail(text)).parts;
    this.setV6(
      ((parts[0]! << 16) | parts[1]!) >>> 0,
      ((parts[2]! << 16) | parts[3]!) >>> 0,
      ((parts[4]! << 16) | parts[5]!) >>> 0,
      ((parts[6]! << 16) | parts[7]!) >>> 0,
      port,
    );
    return this;
  }

  setV4(address: number, port: number): this {
    this.family = 4;
    this.a0 = this.a1 = this.a2 = 0;
    this.a3 = address;
    this.port = port;
    return this;
  }

  /** Four unsigned 32-bit words; ::ffff:a.b.c.d becomes family 4. */
  setV6(a0: number, a1: number, a2: number, a3: number, port: number): this {
    if (a0 === 0 && a1 === 0 && a2 === 0xffff) return this.setV4(a3, port);
    this.family = 6;
    this.a0 = a0;
    this.a1 = a1;
    this.a2 = a2;
    this.a3 = a3;
    this.port = port;
    return this;
  }

  copyFrom(other: Peer): this {
    this.family = other.family;
    this.a0 = other.a0;
    this.a1 = other.a1;
    this.a2 = other.a2;
    this.a3 = other.a3;
    this.port = other.port;
    return this;
  }

  clone(): Peer {
    return new Peer().copyFrom(this);
  }

  /** The address as text, without the port; `unix` for a unix socket. Builds a string: not for the hot path. */
  get address(): string {
    if (this.family === 4) return quadText(this.a3);
    if (this.family === 0) return 'unix';
    const parts: number[] = [];
    for (const word of [this.a0, this.a1, this.a2, this.a3]) parts.push(word >>> 16, word & 0xffff);
    return new ipaddr.IPv6(parts).toRFC5952String();
  }

  /** `10.0.0.1:80`, `[::1]:80` or `unix`. */
  toString(): string {
    if (this.family === 0) return 'unix';
    return this.family === 6 ? `[${this.address}]:${this.port}` : `${this.address}:${this.port}`;
  }
}

/** Dotted quad from `start` to the end of the text as an unsigned number; -1 when it is not one. */
function parseQuad(text: string, start: number): number {
  let value = 0;
  let octet = -1;
  let dots = 0;
  for (let i = start; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 46) {
      if (octet < 0 || ++dots > 3) return -1;
      value = value * 256 + octet;
      octet = -1;
    } else {
      if (c < 48 || c > 57) return -1;
      octet = (octet < 0 ? 0 : octet * 10) + c - 48;
      if (octet > 255) return -1;
    }
  }
  return dots === 3 && octet >= 0 ? value * 256 + octet : -1;
}

/** `::1.2.3.4` as `::102:304`: ipaddr.js would read the former, which inet_ntop writes, as ::ffff:1.2.3.4. */
function hexTail(text: string): string {
  if (!text.includes('.')) return text;
  const tail = text.lastIndexOf(':') + 1;
  const quad = parseQuad(text, tail);
  return `${text.slice(0, tail)}${(quad >>> 16).toString(16)}:${(quad & 0xffff).toString(16)}`;
}

function quadText(v: number): string {
  return `${v >>> 24}.${(v >>> 16) & 255}.${(v >>> 8) & 255}.${v & 255}`;
}

/** True for a literal IPv4 (four decimal octets) or IPv6 address, without brackets. */
export function isIp(text: string): boolean {
  return ipaddr.IPv4.isValidFourPartDecimal(text) || ipaddr.IPv6.isValid(text);
}

/** True when the endpoint's or text's IP is a loopback address (127.0.0.0/8, ::1). */
export function isLoopback(host: string): boolean {
  return isIp(host) && ipaddr.process(host).range() === 'loopback';
}

/** `10.0.0.1:80`, `[::1]:80`, `unix:/path`, `*:80`, `name:80`, `srv:name` or `fd:name`: the form every parser here reads back. */
export function formatAddress(at: Target | Listen): string {
  switch (at.kind) {
    case 'ip':
    case 'name':
      return at.host.includes(':') ? `[${at.host}]:${at.port}` : `${at.host}:${at.port}`;
    case 'any':
      return `*:${at.port}`;
    case 'unix':
      return `unix:${at.path}`;
    case 'srv':
      return `srv:${at.name}`;
    case 'fd':
      return `fd:${at.name}`;
  }
}

/** RFC 1123 labels, with `_` because people have such names; a trailing dot is fine. Digits alone are a mistyped address. */
const HOST_NAME = /^(?!\d+(\.\d+)*\.?$)(?!-)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?$/;
/** sun_path holds 108 bytes with the terminating zero. */
const MAX_UNIX_PATH = 107;

/** Longer text is not shown as a whole. */
const MAX_SHOWN = 300;

function bad(expected: string, text: string, cause?: unknown): Lb4Error {
  const shown = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
  return new Lb4Error('LB4_ADDRESS', `expected ${expected}, got ${JSON.stringify(shown)}`, { cause });
}

function parsePort(text: string, whole: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : -1;
  if (port < 0 || port > 65535) throw bad('a port from 0 to 65535', whole);
  return port;
}

function parseUnix(text: string): Endpoint {
  const path = text.slice(5);
  if (path === '' || path.includes('\0') || Buffer.byteLength(path) > MAX_UNIX_PATH) {
    throw bad(`"unix:/path" with a path of 1 to ${MAX_UNIX_PATH} bytes`, text);
  }
  return { kind: 'unix', path };
}

/** Split `host`, `host:port`, `[v6]`, `[v6]:port`; a bare IPv6 address without brackets is a host. */
function splitHostPort(text: string): { host: string; port: string | undefined } {
  const bracket = /^\[([^\]]*)\](?::(.*))?$/.exec(text);
  if (bracket) {
    if (!ipaddr.IPv6.isValid(bracket[1]!)) throw bad('an IPv6 address inside [ ]', text);
    return { host: bracket[1]!, port: bracket[2] };
  }
  if (isIp(text)) return { host: text, port: undefined };
  const colon = text.lastIndexOf(':');
  return colon === -1
    ? { host: text, port: undefined }
    : { host: text.slice(0, colon), port: text.slice(colon + 1) };
}

/** True for a name of labels of letters, digits, `-` and `_`, as `parseTarget` takes it. */
export function isHostName(text: string): boolean {
  return HOST_NAME.test(text);
}

/**
 * A backend address: `host[:port]`, `[v6][:port]`, `unix:/path` or `srv:name`. Without a port `defaultPort` is taken;
 * where there is none either, that is an error. Throws Lb4Error LB4_ADDRESS.
 */
export function parseTarget(text: string, defaultPort?: number): Target {
  if (text.startsWith('unix:')) return parseUnix(text);
  if (text.startsWith('srv:')) {
    const name = text.slice(4);
    if (!HOST_NAME.test(name)) throw bad('"srv:_service._proto.name"', text);
    return { kind: 'srv', name };
  }
  const { host, port: portText } = splitHostPort(text);
  const port = portText === undefined ? defaultPort : parsePort(portText, text);
  if (port === undefined || port === 0) throw bad('an address with a port, "host:port"', text);
  if (isIp(host)) return { kind: 'ip', host, port };
  if (!HOST_NAME.test(host)) throw bad('an address "host:port", "[v6]:port" or "unix:/path"', text);
  return { kind: 'name', host, port };
}

/**
 * A listen address: `port`, `:port`, `*:port`, `host:port`, `[v6]:port` or `unix:/path`; `localhost` is 127.0.0.1.
 * Port 0 lets the system choose. Throws Lb4Error LB4_ADDRESS.
 */
export function parseBind(text: string): Bind {
  if (text.startsWith('unix:')) return parseUnix(text);
  const bare = /^(?:\*?:)?(\d+)$/.exec(text);
  if (bare) return { kind: 'any', port: parsePort(bare[1]!, text) };
  const { host, port } = splitHostPort(text);
  if (port === undefined) throw bad('a listen address "[HOST:]PORT" or "unix:/path"', text);
  const literal = host === 'localhost' ? '127.0.0.1' : host;
  if (!isIp(literal))
    throw bad('a literal IP address to listen on ("10.0.0.1:80", "[::1]:80" or ":80")', text);
  return { kind: 'ip', host: literal, port: parsePort(port, text) };
}

/** A listen address as `parseBind` reads it, or `fd:NAME`. Throws Lb4Error LB4_ADDRESS. */
export function parseListen(text: string): Listen {
  if (!text.startsWith('fd:')) return parseBind(text);
  const name = text.slice(3);
  if (!/^[A-Za-z0-9_.@-]{1,255}$/.test(name)) throw bad('"fd:NAME" with the name of a passed socket', text);
  return { kind: 'fd', name };
}

/** A list of networks compiled for `matches`, which allocates nothing. */
export class CidrList {
  readonly size: number;
  /** base, mask pairs of IPv4 networks. */
  private readonly v4: Uint32Array;
  /** four base and four mask words for each IPv6 network. */
  private readonly v6: Uint32Array;

  /** Each entry `10.0.0.0/8`, `::1/128` or a single address. Throws Lb4Error LB4_ADDRESS on the first bad one. */
  constructor(entries: readonly string[]) {
    const v4: number[] = [];
    const v6: number[] = [];
    for (const entry of entries) {
      const { peer, bits } = parseCidr(entry);
      if (peer.family === 4) v4.push(peer.a3, maskWord(bits));
      else {
        v6.push(peer.a0, peer.a1, peer.a2, peer.a3);
        for (let word = 0; word < 4; word++) v6.push(maskWord(Math.max(0, Math.min(32, bits - 32 * word))));
      }
    }
    this.size = entries.length;
    this.v4 = Uint32Array.from(v4);
    this.v6 = Uint32Array.from(v6);
  }

  /** True when the peer's address lies in one of the networks; a unix peer lies in none. */
  matches(peer: Peer): boolean {
    if (peer.family === 4) {
      const list = this.v4;
      for (let i = 0; i < list.length; i += 2) {
        if (((peer.a3 ^ list[i]!) & list[i + 1]!) === 0) return true;
      }
    } else if (peer.family === 6) {
      const list = this.v6;
      for (let i = 0; i < list.length; i += 8) {
        if (
          ((peer.a0 ^ list[i]!) & list[i + 4]!) === 0 &&
          ((peer.a1 ^ list[i + 1]!) & list[i + 5]!) === 0 &&
          ((peer.a2 ^ list[i + 2]!) & list[i + 6]!) === 0 &&
          ((peer.a3 ^ list[i + 3]!) & list[i + 7]!) === 0
        ) {
          return true;
        }
      }
    }
    return false;
  }
}

function maskWord(bits: number): number {
  return bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0;
}

function parseCidr(entry: string): { peer: Peer; bits: number } {
  const slash = entry.indexOf('/');
  const host = slash === -1 ? entry : entry.slice(0, slash);
  if (!isIp(host)) throw bad('a network such as "10.0.0.0/8" or "2001:db8::/32"', entry);
  const peer = new Peer().setText(host, 0);
  const full = host.includes(':') ? 128 : 32;
  const bitsText = slash === -1 ? String(full) : entry.slice(slash + 1);
  const bits = /^\d{1,3}$/.test(bitsText) ? Number(bitsText) : -1;
  if (bits < 0 || bits > full) throw bad(`a prefix length from 0 to ${full}`, entry);
  if (peer.family === 4 && full === 128) {
    // A network inside ::ffff:0:0/96 means the IPv4 clients in it.
    if (bits < 96) throw bad('an IPv4-mapped network of at least /96', entry);
    return { peer, bits: bits - 96 };
  }
  return { peer, bits };
}

import { ok, deepStrictEqual as same } from 'node:assert';
import { isIPv4, isIPv6 } from 'node:net';
import { Peer } from '../../../src/address.js';
import {
  buildProxyHeader,
  MAX_PROXY_HEADER,
  PROXY_INVALID,
  ProxyHeader,
  parseProxyHeader,
} from '../../../src/flow/proxy-protocol.js';
import type { Random } from '../random.js';
import type { Target } from '../target.js';

const SIGNATURE = '\r\n\r\n\0\r\nQUIT\n';
const MODES = ['any', 'v1', 'v2'] as const;

/** The parser of PROXY headers. The first byte of an input chooses the mode and where it is cut. */
export function proxyTarget(): Target {
  return {
    words: [
      ...['PROXY ', 'TCP4 ', 'TCP6 ', 'UNKNOWN', '\r\n', ' ', '::', ':', '.', '255.255.255.255', '0'],
      ...[
        'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
        '::ffff:1.2.3.4',
        '65535',
        '65536',
        '00',
        'fe80::1%eth0',
      ],
      ...[
        SIGNATURE,
        '\x21\x11\0\x0c',
        '\x21\x21\0\x24',
        '\x20\0\0\0',
        '\x21\x31\0\xd8',
        '\x03\0\x04',
        '\x04\0\0',
        '\x08\0',
      ],
    ],
    seeds: [
      '\0PROXY TCP4 192.0.2.1 198.51.100.7 5555 443\r\nhello',
      '\0PROXY TCP6 2001:db8::1 ::ffff:1.2.3.4 1 65535\r\n',
      '\x01PROXY UNKNOWN what ever\r\nhello',
      `\0${SIGNATURE}\x20\0\0\0`,
      `\0${SIGNATURE}\x21\x11\0\x13\x01\x02\x03\x04\x05\x06\x07\x08\0\x50\x01\xbb\x05\0\x04\x01\x02\x03\x04data`,
      `\x02${SIGNATURE}\x21\x21\0\x24${'\x20\x01\x0d\xb8'.repeat(8)}\0\x50\x01\xbb`,
      `\x02${SIGNATURE}\x21\x31\0\xd8${'/run/x\0'.padEnd(216, '\0')}`,
    ],
    generate: random =>
      `${String.fromCharCode(random.below(256))}${random.once(2) ? v1(random) : v2(random)}`,
    run,
  };
}

function run(input: Uint8Array): void {
  const mode = MODES[(input[0] ?? 0) % MODES.length]!;
  const bytes = input.subarray(1);
  const header = new ProxyHeader();
  const used = parseProxyHeader(bytes, mode, header);
  ok(used === PROXY_INVALID || (used >= 0 && used <= bytes.length), `returned ${used}`);
  ok(used !== 0 || bytes.length < MAX_PROXY_HEADER, 'wants more than the longest header');
  inPieces(bytes, mode, used, input[0] ?? 0);
  if (used === PROXY_INVALID) ok(/^expected [ -~…]{1,200}$/.test(header.error), `error: ${header.error}`);
  else if (used > 0 && !header.local) roundTrip(header);
  // Other parsers, that have time: what they take, this one takes, and nothing else.
  if (mode === 'v1' || (mode === 'any' && bytes[0] === 0x50))
    same(used > 0 ? facts(header) : undefined, slowV1(bytes));
  if (used > 0 && bytes[0] === 0x0d) same(facts(header), slowV2(bytes));
}

/** Not a byte later and not a byte earlier: all that begins a header wants more, all that goes on after a fault stays one. */
function inPieces(bytes: Uint8Array, mode: (typeof MODES)[number], used: number, stride: number): void {
  const header = new ProxyHeader();
  const end = Math.min(bytes.length, MAX_PROXY_HEADER);
  let before = 0;
  for (let length = 0; length <= end; length += Math.max(1 + (stride % 7), end >> 6)) {
    const now = parseProxyHeader(bytes.subarray(0, length), mode, header);
    ok(before === 0 || now === before, `${before} for fewer bytes, ${now} for ${length}`);
    ok(now <= length, `${now} of ${length} bytes`);
    before = now;
  }
  ok(before === 0 || before === used, `${before} for some, ${used} for all`);
}

function roundTrip({ source, destination }: ProxyHeader): void {
  for (const version of ['v1', 'v2'] as const) {
    const written = buildProxyHeader(version, source, destination);
    const again = new ProxyHeader();
    same(parseProxyHeader(written, version, again), written.length);
    same(facts(again), [source.toString(), destination.toString()]);
  }
}

function facts({ local, source, destination }: ProxyHeader): unknown {
  return local ? 'local' : [source.toString(), destination.toString()];
}

/** Section 2.1 of the specification as a regular expression. */
function slowV1(bytes: Uint8Array): unknown {
  const line = Buffer.from(bytes.subarray(0, 107)).toString('latin1');
  if (/^PROXY UNKNOWN(?:[ \r].*?)?\r\n/s.test(line)) return 'local';
  const match = /^PROXY TCP([46]) ([!-~]+) ([!-~]+) (0|[1-9]\d{0,4}) (0|[1-9]\d{0,4})\r\n/.exec(line);
  if (match === null) return undefined;
  const [, family, source = '', destination = '', sourcePort, port] = match;
  const isAddress = family === '4' ? isIPv4 : isIPv6;
  if (![source, destination].every(text => isAddress(text) && !text.includes('%'))) return undefined;
  if (Number(sourcePort) > 65535 || Number(port) > 65535) return undefined;
  return [text(source, Number(sourcePort)), text(destination, Number(port))];
}

/** Section 2.2 of a header that was found to be one. */
function slowV2(bytes: Uint8Array): unknown {
  const view = Buffer.from(bytes);
  const family = view[13]! >> 4;
  if ((view[12]! & 15) === 0 || family === 0 || family === 3) return 'local';
  const size = family === 1 ? 4 : 16;
  const address = (at: number) => {
    const part = view.subarray(at, at + size);
    return family === 1 ? [...part].join('.') : part.toString('hex').replace(/(....)(?!$)/g, '$1:');
  };
  const ports = 16 + 2 * size;
  return [
    text(address(16), view.readUInt16BE(ports)),
    text(address(16 + size), view.readUInt16BE(ports + 2)),
  ];
}

function text(address: string, port: number): string {
  return new Peer().setText(address, port).toString();
}

function v1(random: Random): string {
  const four = () => Array.from({ length: 4 }, () => random.below(random.once(9) ? 300 : 256)).join('.');
  const group = () => random.below(65536).toString(16);
  const six = () => {
    const groups = Array.from({ length: random.once(3) ? 8 : 1 + random.below(8) }, group);
    if (groups.length < 8) groups.splice(random.below(groups.length + 1), 0, random.once(2) ? '' : ':');
    return random.once(5) ? `${groups.slice(0, 6).join(':')}:${four()}` : groups.join(':');
  };
  const address = random.once(2) ? four : six;
  const words = ['PROXY', address === four ? 'TCP4' : 'TCP6', address(), address()];
  return `${[...words, random.below(65600), random.below(65600)].join(' ')}\r\nrest`;
}

function v2(random: Random): string {
  const byte = () => String.fromCharCode(random.below(256));
  const many = (n: number) => Array.from({ length: n }, byte).join('');
  const family = random.below(4);
  const addresses = many([0, 12, 36, 216][family]!);
  const tlvs = Array.from({ length: random.below(4) }, () => {
    const length = random.size(40);
    return `${String.fromCharCode(random.pick([1, 2, 4, 5, 0x20, 0x30, 3]))}\0${String.fromCharCode(length)}${many(length)}`;
  }).join('');
  const { length } = addresses + tlvs;
  const transport = family === 0 ? 0 : 1 + random.below(2);
  const head = [0x20 + random.below(2), family * 16 + transport, length >> 8, length & 255];
  return `${SIGNATURE}${String.fromCharCode(...head)}${addresses}${tlvs}rest`;
}

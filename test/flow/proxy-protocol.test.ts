import { isIPv4, isIPv6 } from 'node:net';
import fc from 'fast-check';
import t from 'tap';
import { Peer } from '../../src/address.js';
import { crc32c } from '../../src/flow/proxy-protocol/crc32c.js';
import {
  buildProxyHeader,
  localHeader,
  MAX_PROXY_HEADER,
  MAX_WRITTEN_HEADER,
  PROXY_INVALID,
  ProxyHeader,
  parseProxyHeader,
  writeProxyHeader,
} from '../../src/flow/proxy-protocol.js';

const bytesOf = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));
const SIGNATURE = '\r\n\r\n\0\r\nQUIT\n';
const MODES = ['v1', 'v2', 'any'] as const;

/** What the header says, or its error, or `more`. */
function read(bytes: Uint8Array | string, mode: (typeof MODES)[number] = 'any'): string {
  const out = new ProxyHeader();
  const all = typeof bytes === 'string' ? bytesOf(bytes) : bytes;
  const n = parseProxyHeader(all, mode, out);
  if (n === 0) return 'more';
  if (n === PROXY_INVALID) return out.error;
  return out.local ? `${n} local` : `${n} ${out.source} > ${out.destination}`;
}

function v2(
  command: number,
  family: number,
  payload: string | Uint8Array,
  length = payload.length,
): Uint8Array {
  const fixed = bytesOf(SIGNATURE + String.fromCharCode(command, family, length >> 8, length & 255));
  return Uint8Array.from([...fixed, ...(typeof payload === 'string' ? bytesOf(payload) : payload)]);
}

const V4_BLOCK = '\x0a\0\0\x01\x0a\0\0\x02\x04\xd2\0P';

t.test('v1 as written in the specification', async t => {
  t.equal(read('PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n'), '44 255.255.255.255:65535 > 0.0.0.0:0');
  t.equal(
    read('PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\nGET / HTTP/1.1\r\n'),
    '47 192.168.0.1:56324 > 192.168.0.11:443',
  );
  const full = 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff';
  t.equal(read(`PROXY TCP6 ${full} ${full} 65535 65535\r\n`), `104 [${full}]:65535 > [${full}]:65535`);
  t.equal(read('PROXY TCP6 2001:DB8::1 ::1 1 2\r\n'), '32 [2001:db8::1]:1 > [::1]:2');
  t.equal(read('PROXY UNKNOWN\r\n'), '15 local');
  t.equal(read(`PROXY UNKNOWN ${full} ${full} 65535 65535\r\n`), '107 local', 'the longest line there is');
  t.equal(read('PROXY UNKNOWN \0\xff\r\r\n'), '19 local', 'the rest of the line is skipped');
});

t.test('v1 refuses what the specification does not allow', async t => {
  const refused = [
    'PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\r',
    'PROXY TCP4 1.2.3.4  5.6.7.8 1 2\r\n',
    'PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n',
    'PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8\r\n',
    'PROXY TCP4 1.2.3.4\r\n',
    'PROXY TCP4 \r\n',
    'PROXY TCP4\r\n',
    'PROXY\r\n',
    'PROXY TCP4 1.2.3.4\t5.6.7.8 1 2\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 1 0x2\r\n',
    'PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n',
    'PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n',
    'PROXY TCP4 1.2.3.4.5 5.6.7.8 1 2\r\n',
    'PROXY TCP4 1.2.3.256 5.6.7.8 1 2\r\n',
    'PROXY TCP4 1.2.3. 5.6.7.8 1 2\r\n',
    'PROXY TCP4 ::1 ::1 1 2\r\n',
    'PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n',
    'PROXY TCP6 ::1%lo ::1 1 2\r\n',
    'PROXY TCP6 [::1] ::1 1 2\r\n',
    'PROXY TCP6 1:2:3:4:5:6:7:1.2.3.4 ::1 1 2\r\n',
    'PROXY TCP6 1:2:3:4:5:6:7::1.2.3.4 ::1 1 2\r\n',
    'PROXY TCP5 ::1 ::1 1 2\r\n',
    'PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n',
    'PROXY UNKNOWNX\r\n',
    'proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n',
    `PROXY UNKNOWN ${'x'.repeat(92)}\r\n`,
    `PROXY UNKNOWN ${'x'.repeat(93)}`,
    `PROXY TCP4 ${'1'.repeat(96)}`,
  ];
  for (const line of refused) t.match(read(line), /^expected /, JSON.stringify(line));
});

t.test('errors are short and escaped', async t => {
  t.equal(
    read('GET / HTTP/1.1\r\nHost: x\r\n'),
    'expected a PROXY protocol header, got "GET / HTTP/1.1\\r\\n"…',
  );
  t.equal(read('\x16\x03\x01"\\\xff'), 'expected a PROXY protocol header, got "\\x16\\x03\\x01\\"\\\\\\xff"');
  t.equal(read('PROXX', 'v1'), 'expected a PROXY protocol v1 header, got "PROXX"');
  t.equal(read(SIGNATURE, 'v1'), 'expected a PROXY protocol v1 header, got "\\r\\n\\r\\n\\x00\\r\\nQUIT\\n"');
  t.equal(read('PROXY ', 'v2'), 'expected a PROXY protocol v2 header, got "PROXY "');
  t.equal(
    read('PROXY TCP4 1.2.3.4 5.6.7.8 99999 2\r\n'),
    'expected a source port from 0 to 65535, got "99999 2\\r\\n"',
  );
});

t.test('garbage is refused at its first wrong byte', async t => {
  for (const [start, wrong] of [
    ['', 'G'],
    ['P', 'U'],
    ['PROXY ', 'X'],
    ['PROXY TCP', '5'],
    ['PROXY TCP4 1', '\n'],
    ['\r', 'x'],
    ['\r\n\r\n\0\r\nQUIT', '\r'],
    [SIGNATURE, '\x11'],
    [SIGNATURE, '\x22'],
    [`${SIGNATURE}\x21`, '\x41'],
    [`${SIGNATURE}\x21`, '\x13'],
    [`${SIGNATURE}\x21`, '\x10'],
    [`${SIGNATURE}\x21`, '\x01'],
    [`${SIGNATURE}\x21\x11\x08`, '\x01'],
    [`${SIGNATURE}\x20\0\xff`, '\xff'],
    [`${SIGNATURE}\x21\x11\0`, '\x0b'],
    [`${SIGNATURE}\x21\x21\0`, '\x23'],
    [`${SIGNATURE}\x21\x31\0`, '\xd7'],
  ] as const) {
    t.equal(read(start), 'more', JSON.stringify(start));
    t.match(read(start + wrong), /^expected /, JSON.stringify(start + wrong));
  }
});

t.test('v2 commands and families', async t => {
  t.equal(read(v2(0x21, 0x11, V4_BLOCK)), '28 10.0.0.1:1234 > 10.0.0.2:80');
  t.equal(read(v2(0x21, 0x12, V4_BLOCK)), '28 10.0.0.1:1234 > 10.0.0.2:80', 'datagram');
  const six = `${'\x20\x01\x0d\xb8'.padEnd(15, '\0')}\x01${'\0'.repeat(15)}\x02\x04\xd2\0P`;
  t.equal(read(v2(0x21, 0x21, six)), '52 [2001:db8::1]:1234 > [::2]:80');
  t.equal(read(v2(0x21, 0x31, '/run/a'.padEnd(216, '\0'))), '232 local');
  t.equal(read(v2(0x21, 0x00, '')), '16 local');
  t.equal(read(v2(0x21, 0x00, 'whatever')), '24 local');
  t.equal(read(v2(0x20, 0x00, '')), '16 local');
  t.equal(read(v2(0x20, 0x11, V4_BLOCK)), '28 local', 'LOCAL ignores what it carries');
  t.equal(read(v2(0x20, 0xff, 'x')), '17 local');
  t.equal(read(v2(0x21, 0x11, V4_BLOCK), 'v1').slice(0, 8), 'expected');
});

t.test('v2 TLVs', async t => {
  t.equal(read(v2(0x21, 0x11, `${V4_BLOCK}\x04\0\0\x02\0\x05hello`)), '39 10.0.0.1:1234 > 10.0.0.2:80');
  for (const tail of ['\x04', '\x04\0', '\x04\0\x01', '\x02\0\x05hell', '\x02\xff\xff', '\x03\0\x03abc']) {
    t.match(read(v2(0x21, 0x11, V4_BLOCK + tail)), /^expected a /, JSON.stringify(tail));
  }
  const most = v2(0x21, 0x11, `${V4_BLOCK}\x04\x07\xf1`.padEnd(2048, '\0'));
  t.equal(most.length, MAX_PROXY_HEADER);
  t.equal(read(most), `${MAX_PROXY_HEADER} 10.0.0.1:1234 > 10.0.0.2:80`);
});

t.test('v2 checksum', async t => {
  t.equal(crc32c(bytesOf('123456789'), 9), 0xe3069283, 'the check value of CRC-32C');
  const header = v2(0x21, 0x11, `${V4_BLOCK}\x03\0\x04\0\0\0\0\x02\0\x01a`);
  t.match(read(header), /^expected a CRC-32C/);
  const sum = crc32c(header, header.length);
  new DataView(header.buffer).setUint32(31, sum);
  t.equal(read(header), '39 10.0.0.1:1234 > 10.0.0.2:80');
  t.equal(read(Uint8Array.of(...header, 1, 2, 3)), '39 10.0.0.1:1234 > 10.0.0.2:80', 'data does not count');
  for (let i = 16; i < header.length; i++) {
    // With another type it is no checksum.
    if (i === 28) continue;
    const broken = header.slice();
    broken[i]! ^= 0x10;
    t.match(read(broken), /^expected /, `byte ${i}`);
  }
});

t.test('what is written for addresses that do not match', async t => {
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');
  const four = new Peer().setText('10.0.0.1', 1234);
  const six = new Peer().setText('2001:db8::2', 80);
  const unix = new Peer();
  t.equal(text(buildProxyHeader('v1', four, four)), 'PROXY TCP4 10.0.0.1 10.0.0.1 1234 1234\r\n');
  t.equal(text(buildProxyHeader('v1', four, six)), 'PROXY TCP6 ::ffff:10.0.0.1 2001:db8::2 1234 80\r\n');
  t.equal(read(buildProxyHeader('v2', four, six)), '52 10.0.0.1:1234 > [2001:db8::2]:80');
  t.equal(buildProxyHeader('v2', four, four)[13], 0x11);
  t.equal(buildProxyHeader('v2', four, four, 'dgram')[13], 0x12);
  t.equal(buildProxyHeader('v2', six, four, 'dgram')[13], 0x22);
  t.equal(text(buildProxyHeader('v1', unix, four)), 'PROXY UNKNOWN\r\n');
  t.equal(text(buildProxyHeader('v1', four, four, 'dgram')), 'PROXY UNKNOWN\r\n');
  t.strictSame([...buildProxyHeader('v2', four, unix)], [...v2(0x21, 0, '')]);
  t.equal(text(localHeader('v1')), 'PROXY UNKNOWN\r\n');
  t.strictSame([...localHeader('v2')], [...v2(0x20, 0, '')]);
  t.throws(() => writeProxyHeader('v2', four, four, new Uint8Array(MAX_WRITTEN_HEADER - 1)), {
    code: 'LB4_LIMIT',
  });
});

const word = fc.oneof(fc.constantFrom(0, 1, 0xffff, 0xffffffff), fc.integer({ min: 0, max: 0xffffffff }));
const port = fc.integer({ min: 0, max: 65_535 });
const anyPeer = fc.oneof(
  fc.tuple(word, port).map(([a, p]) => new Peer().setV4(a, p)),
  fc.tuple(word, word, word, word, port).map(([a, b, c, d, p]) => new Peer().setV6(a, b, c, d, p)),
);

t.test('round trip, at every split, with data behind', async () => {
  const out = new ProxyHeader();
  const into = new Uint8Array(MAX_WRITTEN_HEADER).fill(0xee);
  fc.assert(
    fc.property(
      anyPeer,
      anyPeer,
      fc.constantFrom('v1', 'v2'),
      fc.boolean(),
      fc.uint8Array({ maxLength: 64 }),
      (source, destination, version, any, data) => {
        const length = writeProxyHeader(version, source, destination, into);
        const all = Uint8Array.of(...into.subarray(0, length), ...data);
        const kept = all.slice();
        const mode = any ? 'any' : version;
        for (let have = 0; have <= all.length; have++) {
          out.source.setV4(1, 1);
          const n = parseProxyHeader(all.subarray(0, have), mode, out);
          if (n !== (have < length ? 0 : length))
            throw new Error(`${n} at ${have} of ${length}: ${out.error}`);
          if (n === 0) continue;
          if (out.local || `${out.source}` !== `${source}` || `${out.destination}` !== `${destination}`) {
            throw new Error(`${out.source} > ${out.destination}, sent ${source} > ${destination}`);
          }
        }
        if (Buffer.compare(all, kept) !== 0) throw new Error('the bytes were changed');
      },
    ),
    { numRuns: 500 },
  );
});

t.test('garbage: never throws, never takes more than there is, never changes its mind', async () => {
  const out = new ProxyHeader();
  const start = fc.constantFrom(
    '',
    'PROXY ',
    'PROXY TCP4 ',
    'PROXY TCP6 ',
    'PROXY UNKNOWN',
    SIGNATURE,
    `${SIGNATURE}\x21\x11\0`,
    `${SIGNATURE}\x21\x21\0`,
    `${SIGNATURE}\x21\x11\0\x20${V4_BLOCK}`,
  );
  const tail = fc.oneof(
    fc.uint8Array({ maxLength: 150 }),
    fc.array(fc.constantFrom(...'0129.:: fF\r\n'), { maxLength: 120 }).map(c => bytesOf(c.join(''))),
  );
  fc.assert(
    fc.property(start, tail, fc.constantFrom(...MODES), (head, rest, mode) => {
      const all = Uint8Array.of(...bytesOf(head), ...rest);
      let verdict = 0;
      for (let have = 0; have <= all.length; have++) {
        const n = parseProxyHeader(all.subarray(0, have), mode, out);
        if (n > have || n < PROXY_INVALID) throw new Error(`${n} of ${have} bytes`);
        if (n === PROXY_INVALID && !/^expected [ -~]+, got "[ -~]*"…?$/.test(out.error))
          throw new Error(out.error);
        if (verdict !== 0 && n !== verdict) throw new Error(`${verdict}, then ${n}`);
        verdict = n;
      }
    }),
    { numRuns: 3_000 },
  );
});

t.test('addresses in v1 are those that Node takes too', async () => {
  const out = new ProxyHeader();
  const odd = fc.array(fc.constantFrom(...'0019a:::.'), { minLength: 1, maxLength: 20 }).map(c => c.join(''));
  const near = fc
    .tuple(anyPeer, fc.nat(40), fc.constantFrom('', ':', '0', '.', '::', 'f'))
    .map(([p, at, c]) => {
      const text = p.address;
      return text.slice(0, at) + c + text.slice(at + 1);
    });
  fc.assert(
    fc.property(fc.oneof(odd, near, fc.ipV6(), fc.ipV4()), text => {
      for (const family of [4, 6]) {
        const good = family === 4 ? isIPv4(text) : isIPv6(text);
        const other = family === 4 ? '1.2.3.4' : '::1';
        const line = bytesOf(`PROXY TCP${family} ${text} ${other} 7 8\r\n`);
        const n = parseProxyHeader(line, 'v1', out);
        if (n !== (good ? line.length : PROXY_INVALID)) throw new Error(`${text}: ${n} ${out.error}`);
        if (good && `${out.source}` !== `${new Peer().setText(text, 7)}`)
          throw new Error(`${text} as ${out.source}`);
      }
    }),
    { numRuns: 10_000 },
  );
});

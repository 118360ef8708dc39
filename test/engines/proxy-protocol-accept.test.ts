import t from 'tap';
import { ConfigError } from '../../src/errors.js';
import { backend, echo, says } from '../fixtures/backends.js';
import { oneService, type Running, startBalancer } from '../fixtures/balancer.js';
import { client } from '../fixtures/clients.js';
import { v1, v2, v2Raw } from '../fixtures/proxy-header.js';
import { holds, until } from '../fixtures/until.js';

type Accept = 'v1' | 'v2' | 'any';

/** A balancer that believes clients on 127.0.0.1, in front of an echo. */
async function accepting(t: Parameters<typeof backend>[0], accept: Accept, more = {}): Promise<Running> {
  const { address } = await backend(t, echo);
  return startBalancer(
    t,
    oneService({
      backends: [address],
      proxy_protocol: { accept, accept_from: ['127.0.0.1', '::1'] },
      ...more,
    }),
  );
}

const FULL = '2001:0db8:0000:0000:0000:0000:0000:0001';
const headers: Record<string, { header: Buffer; client: string; modes: readonly Accept[] }> = {
  'v1 TCP4': {
    header: v1('198.51.100.7', 56324, '10.9.9.9', 443),
    client: '198.51.100.7:56324',
    modes: ['v1', 'any'],
  },
  'v1 TCP6': {
    header: v1('2001:db8::1', 1, '2001:db8::2', 65535),
    client: '[2001:db8::1]:1',
    modes: ['v1', 'any'],
  },
  'v1 UNKNOWN': { header: Buffer.from('PROXY UNKNOWN\r\n'), client: '', modes: ['v1', 'any'] },
  'v1 UNKNOWN and more': {
    header: Buffer.from('PROXY UNKNOWN ff::1 ff::2 1 2\r\n'),
    client: '',
    modes: ['any'],
  },
  'v2 TCP4': {
    header: v2('198.51.100.7', 56324, '10.9.9.9', 443),
    client: '198.51.100.7:56324',
    modes: ['v2', 'any'],
  },
  'v2 TCP6': { header: v2(FULL, 9, FULL, 10), client: '[2001:db8::1]:9', modes: ['v2', 'any'] },
  'v2 mapped': {
    header: v2('0000:0000:0000:0000:0000:ffff:c633:6407', 5, FULL, 6),
    client: '198.51.100.7:5',
    modes: ['v2'],
  },
  'v2 with TLVs': {
    header: v2('198.51.100.7', 1, '10.9.9.9', 2, Buffer.from('0400020000020003616263', 'hex')),
    client: '198.51.100.7:1',
    modes: ['any'],
  },
  'v2 LOCAL': { header: v2Raw(0x20, 0, Buffer.alloc(0)), client: '', modes: ['v2', 'any'] },
  'v2 LOCAL with a payload': { header: v2Raw(0x20, 0x11, Buffer.alloc(12)), client: '', modes: ['any'] },
  'v2 UNSPEC': { header: v2Raw(0x21, 0, Buffer.alloc(0)), client: '', modes: ['v2'] },
};

for (const [name, { header, client: expected, modes }] of Object.entries(headers)) {
  for (const mode of modes) {
    t.test(`${name}, accept = ${mode}: byte by byte, and with data right behind`, async t => {
      const lb = await accepting(t, mode);
      const slow = client(t, lb.port());
      for (const byte of header) {
        await slow.write(Buffer.of(byte));
        // Let it arrive alone.
        await new Promise(resolve => setImmediate(resolve));
      }
      await slow.write('slow');
      await slow.reads(4);
      t.equal(slow.text, 'slow', 'the header is not forwarded, the data is');
      const quick = client(t, lb.port());
      quick.finish(Buffer.concat([header, Buffer.from('quick and at once')]));
      t.equal(await quick.end(), 'FIN');
      t.equal(quick.text, 'quick and at once');
      slow.finish();
      await lb.idle();
      const lines = lb.log.connections;
      t.strictSame(
        lines.map(({ reason }) => reason),
        ['client_closed', 'client_closed'],
      );
      for (const line of lines) {
        if (expected === '') t.match(line.client, /^127\.0\.0\.1:\d+$/, 'the real address counts');
        else t.equal(line.client, expected);
      }
      t.strictSame(lines.map(({ bytes_in }) => bytes_in).sort(), [17, 4], 'headers are not counted');
    });
  }
}

const garbage: Record<string, [data: Buffer, detail: RegExp, accept?: Accept]> = {
  HTTP: [
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    /^expected a PROXY protocol header, got "GET \/ HTTP\/1\.1\\r\\n"…$/,
  ],
  binary: [Buffer.from('\0\x01"\\\x1b[31m\xff', 'latin1'), /got "\\x00\\x01\\"\\\\\\x1b\[31m\\xff"$/],
  'v2 where v1 is wanted': [v2('1.2.3.4', 1, '1.2.3.4', 2), /v1 header/, 'v1'],
  'v1 where v2 is wanted': [v1('1.2.3.4', 1, '1.2.3.4', 2), /v2 header/, 'v2'],
  'a bad address': [
    Buffer.from('PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n'),
    /expected an IPv4 source address, got "1\.2\.3\.256/,
  ],
  'a line without end': [Buffer.from(`PROXY TCP4 ${'1'.repeat(200)}`), /at most 107 bytes/],
  'a wrong length in v2': [v2Raw(0x21, 0x11, Buffer.alloc(4)), /at least 12 bytes of addresses/],
  'a wrong command': [v2Raw(0x22, 0x11, Buffer.alloc(12)), /command LOCAL or PROXY/],
  'a huge length': [v2Raw(0x21, 0x11, Buffer.alloc(3000)), /at most 2048 bytes/],
};

for (const [name, [data, detail, accept = 'any']] of Object.entries(garbage)) {
  t.test(`${name}: bad_proxy_header, RST, nothing forwarded`, async t => {
    const behind = await backend(t, echo);
    const lb = await accepting(t, accept, { backends: [behind.address] });
    const bad = client(t, lb.port());
    await bad.write(data);
    t.equal(await bad.end(), 'RST');
    const line = await lb.log.only();
    t.match(line, { reason: 'bad_proxy_header', backend: '', bytes_in: 0, connect_ms: null, attempts: 0 });
    t.match(line.detail, detail);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none may be there
    t.notMatch(line.detail, /[\0-\x1f\x7f-\xff]/, 'nothing in it can harm a terminal or a log');
    t.equal(behind.peers.length, 0);
    t.equal(lb.service().active, 0);
  });
}

t.test('a header that ends in the middle', async t => {
  const lb = await accepting(t, 'any');
  const bad = client(t, lb.port());
  bad.finish('PROXY TCP4 1.2.3.4');
  await bad.end();
  t.match(await lb.log.only(), { reason: 'bad_proxy_header', detail: 'the header ends too early' });
});

t.test('connect and close without a byte, as port checks do, is nobody’s fault', async t => {
  const lb = await accepting(t, 'any');
  client(t, lb.port()).finish();
  t.match(await lb.log.only(), { reason: 'client_closed', attempts: 0 });
});

t.test('a header and FIN, nothing else', async t => {
  const lb = await accepting(t, 'any');
  const peer = client(t, lb.port());
  peer.finish(v1('1.2.3.4', 1, '5.6.7.8', 2));
  await peer.end();
  t.match(await lb.log.only(), { reason: 'client_closed', client: '1.2.3.4:1' });
});

t.test('a header has the time that it may take, in all, and may take another after a reload', async t => {
  const behind = await backend(t, echo);
  const proxy_protocol = { accept: 'any' as const, accept_from: ['127.0.0.1'] };
  const service = (header: string) =>
    oneService({ backends: [behind.address], proxy_protocol, timeouts: { header } });
  const lb = await startBalancer(t, service('400ms'));
  const silent = client(t, lb.port());
  const trickling = client(t, lb.port());
  const bytes = [...'PROXY TCP4 198.51.100.7 198.51.100.8 1111 2222'.repeat(2)];
  const ticking = setInterval(() => trickling.socket.write(bytes.shift() ?? ' '), 50);
  t.teardown(() => clearInterval(ticking));
  t.equal(await silent.end(), 'RST');
  t.equal(await trickling.end(), 'RST', 'bytes that come do not make it longer');
  for (const line of await lb.log.finished(2)) {
    t.match(line, { reason: 'bad_proxy_header', detail: /^no complete header within \d+ ms$/ });
    t.ok(line.duration_ms > 300 && line.duration_ms < 10_000, `${line.duration_ms} ms`);
  }
  await lb.balancer.apply(service('1h'));
  const patient = client(t, lb.port());
  await patient.write('PROXY TCP4 1.2');
  await holds('it is waited for', () => !patient.closed, 1_000);
  await patient.write('.3.4 5.6.7.8 1 2\r\nhello');
  await patient.reads(5);
});

t.test('clients outside accept_from are ordinary: what they send is data', async t => {
  const lb = await accepting(t, 'any');
  const outside = client(t, lb.port(), { from: '127.0.0.9' });
  const header = v1('198.51.100.7', 1, '10.9.9.9', 443);
  await outside.write(header);
  await outside.reads(header.length);
  t.equal(outside.text, header.toString('latin1'), 'a forged header is passed on like any other byte');
  outside.finish();
  await until('its line', () => lb.log.connections.some(({ client: who }) => who.startsWith('127.0.0.9:')));
});

t.test('the address in the header is what access lists and limits see', async t => {
  const lb = await accepting(t, 'any', {
    allow: ['198.51.100.0/24'],
    deny: ['198.51.100.66'],
    max_connections_per_client: 1,
  });
  const as = (address: string) => {
    const peer = client(t, lb.port());
    void peer.write(Buffer.concat([v1(address, 1000, '10.9.9.9', 443), Buffer.from('hi')]));
    return peer;
  };
  const good = as('198.51.100.7');
  await good.reads(2);
  t.equal(await as('198.51.100.66').end(), 'RST', 'denied');
  t.equal(await as('203.0.113.1').end(), 'RST', 'not allowed');
  t.equal(await as('198.51.100.7').end(), 'RST', 'its second connection');
  const other = as('198.51.100.8');
  await other.reads(2);
  // Threads report each for itself: in no order.
  t.strictSame((await lb.log.finished(3)).map(({ client: who, reason }) => `${who} ${reason}`).sort(), [
    '198.51.100.66:1000 denied',
    '198.51.100.7:1000 limit',
    '203.0.113.1:1000 denied',
  ]);
  good.finish();
  other.finish();
  await lb.idle();
  const again = as('198.51.100.7');
  await again.reads(2);
  t.equal(again.text, 'hi', 'its place was given back under the same address');
});

t.test('ip-hash goes by the address in the header', async t => {
  const names = ['a', 'b', 'c', 'd'];
  const list = await Promise.all(names.map(name => backend(t, says(name))));
  const lb = await startBalancer(
    t,
    oneService({
      strategy: 'ip-hash',
      backends: list.map(({ address }) => address),
      proxy_protocol: { accept: 'any', accept_from: ['127.0.0.1'] },
    }),
  );
  const ask = async (header: Buffer) => {
    const peer = client(t, lb.port());
    await peer.write(header);
    await peer.end();
    peer.socket.destroy();
    return peer.text;
  };
  const seen = new Set<string>();
  for (let host = 1; host <= 16; host++) {
    const address = `198.51.100.${host}`;
    const answers = [await ask(v1(address, 1, '10.9.9.9', 80)), await ask(v2(address, 999, '10.8.8.8', 81))];
    t.equal(answers[0], answers[1], `${address} stays with its backend`);
    seen.add(answers[0]!);
  }
  t.ok(seen.size > 1, 'they are not all one client');
});

t.test('accept without accept_from is an error', async t => {
  await t.rejects(
    startBalancer(t, oneService({ backends: ['127.0.0.1:1'], proxy_protocol: { accept: 'v1' } })),
    ConfigError,
  );
});

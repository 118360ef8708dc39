import { BlockList, isIPv6 } from 'node:net';
import fc from 'fast-check';
import t from 'tap';
import { CidrList, formatAddress, isIp, isLoopback, Peer, parseBind, parseTarget } from '../src/address.js';

const peer = (text: string, port = 1) => new Peer().setText(text, port);
const refused = { code: 'LB4_ADDRESS', message: /^expected .*, got "/ };

t.test('a peer from text', async t => {
  const cases: Record<string, [family: number, text: string]> = {
    '127.0.0.1': [4, '127.0.0.1:1'],
    '255.255.255.255': [4, '255.255.255.255:1'],
    '::ffff:10.0.0.1': [4, '10.0.0.1:1'],
    '::FFFF:10.0.0.1': [4, '10.0.0.1:1'],
    '::ffff:a00:1': [4, '10.0.0.1:1'],
    '::1': [6, '[::1]:1'],
    '::': [6, '[::]:1'],
    '2001:DB8::1': [6, '[2001:db8::1]:1'],
    'fe80::1%eth0': [6, '[fe80::1]:1'],
    '::1.2.3.4': [6, '[::102:304]:1'],
    '64:ff9b::1.2.3.4': [6, '[64:ff9b::102:304]:1'],
    '1.2.3': [0, 'unix'],
    '1.2.3.256': [0, 'unix'],
    '1.2.3.4.5': [0, 'unix'],
    'example.com': [0, 'unix'],
    '': [0, 'unix'],
  };
  for (const [text, [family, shown]] of Object.entries(cases)) {
    t.equal(peer(text).family, family, text);
    t.equal(peer(text).toString(), shown, text);
  }
  const used = peer('2001:db8::1', 9);
  t.equal(used.setText('10.0.0.1', 2).toString(), '10.0.0.1:2', 'nothing of the old address stays');
  t.strictSame([used.a0, used.a1, used.a2], [0, 0, 0]);
  const copy = used.clone();
  used.setText('::1', 3);
  t.equal(copy.toString(), '10.0.0.1:2', 'a copy is its own');
  t.equal(new Peer().copyFrom(used).toString(), '[::1]:3');
});

const word = fc.nat(0xffffffff);
/** Often with zeros, which is where `::` comes from. */
const mostlyZero = fc.oneof(word, fc.constant(0), fc.nat(0xffff));

t.test('a peer to text and back', async () => {
  fc.assert(
    fc.property(mostlyZero, mostlyZero, mostlyZero, mostlyZero, fc.nat(65535), (a, b, c, d, port) => {
      const six = new Peer().setV6(a, b, c, d, port);
      const back = peer(six.address, port);
      const four = new Peer().setV4(d, port);
      const same = (x: Peer, y: Peer) =>
        (['family', 'a0', 'a1', 'a2', 'a3', 'port'] as const).every(key => x[key] === y[key]);
      return (
        same(six, back) && same(four, peer(four.address, port)) && (six.family === 4 || isIPv6(six.address))
      );
    }),
  );
});

t.test('networks agree with Node’s own', async () => {
  const v4 = fc.tuple(fc.nat(0xffffffff), fc.nat(32));
  const v6 = fc.tuple(fc.array(mostlyZero, { minLength: 4, maxLength: 4 }), fc.nat(128));
  const text4 = (n: number) => new Peer().setV4(n, 0).address;
  const text6 = ([a, b, c, d]: number[]) => {
    const hex = [a!, b!, c!, d!].map(x => x.toString(16).padStart(8, '0')).join('');
    return hex.replace(/(.{4})(?=.)/g, '$1:');
  };
  const mapped = (words: number[]) => words[0] === 0 && words[1] === 0 && words[2] === 0xffff;
  fc.assert(
    fc.property(
      fc.array(v4, { maxLength: 4 }),
      fc.array(v6, { maxLength: 4 }),
      fc.nat(127),
      (nets4, nets6, flip) => {
        const own6 = nets6.filter(([words]) => !mapped(words));
        // One for each family: Node's ::/0 has the IPv4 addresses in it, ours has not.
        const [node4, node6] = [new BlockList(), new BlockList()];
        for (const [n, bits] of nets4) node4.addSubnet(text4(n), bits, 'ipv4');
        for (const [words, bits] of own6) node6.addSubnet(text6(words), bits, 'ipv6');
        const list = new CidrList([
          ...nets4.map(([n, bits]) => `${text4(n)}/${bits}`),
          ...own6.map(([words, bits]) => `${text6(words)}/${bits}`),
        ]);
        // Addresses that differ from a network's in one bit: just inside or just outside.
        const near4 = nets4.map(([n]) => (n ^ (1 << (flip % 32))) >>> 0);
        const near6 = own6.map(([words]) =>
          words.map((x, i) => (i === flip >> 5 ? (x ^ (1 << (flip & 31))) >>> 0 : x)),
        );
        return (
          near4.every(n => list.matches(peer(text4(n))) === node4.check(text4(n), 'ipv4')) &&
          near6
            .filter(words => !mapped(words))
            .every(words => list.matches(peer(text6(words))) === node6.check(text6(words), 'ipv6'))
        );
      },
    ),
  );
});

t.test('networks', async t => {
  const list = new CidrList(['10.1.2.3/8', '192.0.2.7', '2001:db8::/32', '::ffff:172.16.0.0/108']);
  t.equal(list.size, 4);
  const inside = ['10.255.0.1', '192.0.2.7', '2001:db8:ffff::1', '::ffff:10.0.0.1', '172.31.0.1'];
  const outside = ['11.0.0.1', '192.0.2.8', '2001:db9::1', '::1', '172.32.0.1', '::a00:1'];
  for (const text of inside) t.ok(list.matches(peer(text)), text);
  for (const text of outside) t.notOk(list.matches(peer(text)), text);
  t.notOk(new CidrList(['0.0.0.0/0', '::/0']).matches(new Peer()), 'a unix peer lies in none');
  t.ok(new CidrList(['0.0.0.0/0']).matches(peer('1.2.3.4')));
  t.notOk(new CidrList(['::/0']).matches(peer('1.2.3.4')), 'IPv4 is not in ::/0');
  for (const text of [
    '',
    '10.0.0.0/33',
    '::/129',
    '10.0.0/8',
    '10.0.0.0/',
    '10.0.0.0/-1',
    'x/8',
    '10.0.0.0/8/8',
    '::ffff:1.2.3.4/95',
    '010.0.0.1',
  ]) {
    t.throws(() => new CidrList(['10.0.0.0/8', text]), refused, JSON.stringify(text));
  }
});

t.test('backend addresses', async t => {
  const cases: Record<string, string> = {
    '10.0.0.1:5432': 'ip 10.0.0.1:5432',
    '10.0.0.1': 'ip 10.0.0.1:99',
    '::1': 'ip [::1]:99',
    '[::1]': 'ip [::1]:99',
    '[2001:db8::1]:80': 'ip [2001:db8::1]:80',
    'db1:5432': 'name db1:5432',
    'db_1.example.com.': 'name db_1.example.com.:99',
    'xn--bcher-kva.example:1': 'name xn--bcher-kva.example:1',
    'unix:/run/x.sock': 'unix unix:/run/x.sock',
    'srv:_pg._tcp.example.com': 'srv srv:_pg._tcp.example.com',
  };
  for (const [text, expected] of Object.entries(cases)) {
    const target = parseTarget(text, 99);
    t.equal(`${target.kind} ${formatAddress(target)}`, expected);
    t.strictSame(parseTarget(formatAddress(target)), target, 'reads back');
  }
  for (const text of [
    '',
    ':80',
    'a:b:80',
    'db:0',
    'db:65536',
    'db:-1',
    'db:',
    '[::1',
    '[::1]x',
    '[1.2.3.4]:1',
    '1.2.3.4.5:1',
    '1.2.3.4.:1',
    '300.1.1.1:1',
    'a..b:1',
    '-a:1',
    'a b:1',
    'unix:',
    `unix:/${'x'.repeat(120)}`,
    'srv:',
    'http://x:1',
    'ü:1',
  ]) {
    t.throws(() => parseTarget(text, 99), refused, JSON.stringify(text));
  }
  t.throws(() => parseTarget('db'), refused, 'no port anywhere');
});

t.test('listen addresses', async t => {
  const cases: Record<string, string> = {
    '80': 'any *:80',
    ':80': 'any *:80',
    '*:80': 'any *:80',
    '0': 'any *:0',
    '0.0.0.0:80': 'ip 0.0.0.0:80',
    '[::]:80': 'ip [::]:80',
    'localhost:80': 'ip 127.0.0.1:80',
    'unix:/run/x.sock': 'unix unix:/run/x.sock',
  };
  for (const [text, expected] of Object.entries(cases)) {
    const bind = parseBind(text);
    t.equal(`${bind.kind} ${formatAddress(bind)}`, expected);
    t.strictSame(parseBind(formatAddress(bind)), bind, 'reads back');
  }
  for (const text of [
    '',
    'x',
    'example.com:80',
    '127.0.0.1',
    '::1',
    '[::1]',
    '65536',
    ':x',
    '**:80',
    'srv:_a._b.c',
    '1.2.3:80',
  ]) {
    t.throws(() => parseBind(text), refused, JSON.stringify(text));
  }
});

t.test('whatever comes: an address that reads back, or one error', async () => {
  const text = fc.oneof(
    fc.string(),
    fc.stringMatching(/^[0-9a-f:.[\]*]{0,24}$/),
    fc.ipV4().map(ip => `${ip}:80`),
    fc.ipV6().map(ip => `[${ip}]:80`),
    fc.domain().map(name => `${name}:1`),
  );
  fc.assert(
    fc.property(text, input => {
      for (const parse of [parseBind, (one: string) => parseTarget(one, 7)]) {
        try {
          const first = formatAddress(parse(input));
          if (formatAddress(parse(first)) !== first) return false;
        } catch (error) {
          if ((error as { code?: string }).code !== 'LB4_ADDRESS') return false;
        }
      }
      return true;
    }),
  );
});

t.test('literals and loopback', async t => {
  for (const text of ['1.2.3.4', '::', 'fe80::1']) t.ok(isIp(text), text);
  for (const text of ['1.2.3', '0x7f.1', '2130706433', '[::1]', 'x', '']) t.notOk(isIp(text), text);
  for (const text of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1']) t.ok(isLoopback(text), text);
  for (const text of ['128.0.0.1', '::2', 'localhost']) t.notOk(isLoopback(text), text);
});

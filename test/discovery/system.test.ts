import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type SystemOptions, systemResolver } from '../../src/discovery/system.js';
import { candidates, parseHosts, parseResolvConf } from '../../src/discovery/system-files.js';
import { folder } from '../fixtures/program.js';
import { type DnsServer, dnsServer } from './dns-server.js';
import { dnsError } from './helpers.js';

const LINUX = process.platform === 'linux' ? {} : { skip: 'elsewhere getaddrinfo does it all' };

t.test('/etc/hosts', async t => {
  const hosts = parseHosts(
    '127.0.0.1\tlocalhost\n# 10.0.0.1 not\n::1 Localhost6  ip6 # tail\n\n10.0.0.2\tDB db.lan',
  );
  t.strictSame([...hosts], ['localhost', 'localhost6', 'ip6', 'db', 'db.lan']);
});

t.test('/etc/resolv.conf and the names that follow from it', async t => {
  t.strictSame(parseResolvConf(''), { domains: [], ndots: 1 });
  const conf = parseResolvConf(
    'domain old.test\n; comment\nsearch a.test b.test .\nnameserver 10.0.0.1\noptions edns0 ndots:2 ndots:99 rotate\noptions timeout:1\n',
  );
  t.strictSame(conf, { domains: ['a.test', 'b.test'], ndots: 15 });
  t.strictSame(parseResolvConf('search a b\ndomain c').domains, ['c'], 'the last one counts');
  const search = { domains: ['a.test', 'b.test'], ndots: 2 };
  t.strictSame(candidates('db', search), ['db.a.test', 'db.b.test', 'db']);
  t.strictSame(candidates('db.x', search), ['db.x.a.test', 'db.x.b.test', 'db.x']);
  t.strictSame(candidates('db.x.y', search), ['db.x.y', 'db.x.y.a.test', 'db.x.y.b.test']);
  t.strictSame(candidates('db.', search), ['db.']);
  t.strictSame(candidates('db', { domains: ['a.test'], ndots: 0 }), ['db', 'db.a.test']);
});

/** A resolver that reads files of the test, asks `dns`, and knows `mdns.local` only through getaddrinfo. */
function system(t: Test, dns: DnsServer, options: SystemOptions = {}) {
  const dir = folder(t);
  const paths = { hosts: join(dir, 'hosts'), resolvConf: join(dir, 'resolv.conf') };
  const looked: string[] = [];
  const resolver = systemResolver({
    ...paths,
    servers: [dns.address],
    timeoutMs: 200,
    tries: 1,
    lookup: async host => {
      looked.push(host);
      if (['mdns.local', 'db.lan', 'localhost'].includes(host)) return [{ address: '10.9.9.9' }];
      throw dnsError('ENOTFOUND');
    },
    ...options,
  });
  return { resolver, looked, ...paths };
}

t.test('DNS tells the TTL; search domains are tried as the C library does', LINUX, async t => {
  const dns = await dnsServer(t);
  const { resolver, looked, resolvConf } = system(t, dns);
  writeFileSync(resolvConf, 'search a.test b.test\n');
  dns.set('A', 'db.b.test', 7, '10.0.0.1');
  dns.set('A', 'other.test', 8, '10.0.0.2');
  t.strictSame(await resolver.addresses('db'), [{ address: '10.0.0.1', ttl: 7 }]);
  t.strictSame(dns.seen, ['A db.a.test', 'AAAA db.a.test', 'A db.b.test', 'AAAA db.b.test']);
  t.strictSame(await resolver.addresses('other.test'), [{ address: '10.0.0.2', ttl: 8 }]);
  writeFileSync(resolvConf, 'search b.test elsewhere.test\n');
  dns.seen.length = 0;
  await resolver.addresses('db');
  t.strictSame(dns.seen, ['A db.b.test', 'AAAA db.b.test'], 'a file that changes is read again');
  t.strictSame(looked, []);
});

t.test('what is in /etc/hosts, and localhost, never goes to DNS', LINUX, async t => {
  const dns = await dnsServer(t);
  const { resolver, hosts } = system(t, dns);
  dns.set('A', 'db.lan', 60, '10.0.0.1');
  t.strictSame(await resolver.addresses('db.lan'), [{ address: '10.0.0.1', ttl: 60 }]);
  dns.seen.length = 0;
  writeFileSync(hosts, '10.9.9.9 DB.lan\n');
  t.strictSame(await resolver.addresses('db.lan'), [{ address: '10.9.9.9' }]);
  t.strictSame(await resolver.addresses('localhost'), [{ address: '10.9.9.9' }]);
  t.strictSame(dns.seen, []);
});

t.test('what DNS does not know, getaddrinfo may', LINUX, async t => {
  const dns = await dnsServer(t);
  const { resolver, looked } = system(t, dns);
  t.strictSame(await resolver.addresses('mdns.local'), [{ address: '10.9.9.9' }]);
  await t.rejects(resolver.addresses('nowhere.test'), { code: 'ENOTFOUND' });
  t.strictSame(looked, ['mdns.local', 'nowhere.test']);
  const { resolver: alone } = system(t, dns, { servers: ['127.0.0.1:1'] });
  t.strictSame(await alone.addresses('mdns.local'), [{ address: '10.9.9.9' }], 'no name server at all');
});

t.test('a server that fails or keeps silent is not covered up', LINUX, async t => {
  const dns = await dnsServer(t);
  const { resolver, looked, resolvConf } = system(t, dns);
  writeFileSync(resolvConf, 'search a.test b.test c.test\n');
  dns.rcode = 2;
  await t.rejects(resolver.addresses('db.test'), { code: 'ESERVFAIL' });
  dns.silent = true;
  dns.seen.length = 0;
  await t.rejects(resolver.addresses('db'), { code: 'ETIMEOUT' });
  t.ok(dns.seen.length <= 4, 'one candidate, not all of them');
  t.strictSame(looked, [], 'and no thread waits for it a second time');
});

t.test("the machine's own files", async t => {
  const resolver = systemResolver();
  const records = await resolver.addresses('localhost');
  t.ok(records.some(({ address }) => address === '127.0.0.1' || address === '::1'));
  resolver.cancel();
});

import fc from 'fast-check';
import t from 'tap';
import type { Found } from '../../src/discovery/entry.js';
import { backendList, type Source } from '../../src/discovery/list.js';
import { compareAddresses, endpointKey } from '../../src/discovery/order.js';
import { entry, lines } from './helpers.js';

function source(address: string, hosts: readonly string[], base = address): Source {
  const found: Found[] = hosts.map(host => ({
    base,
    endpoint: { kind: 'ip', host, port: 80 },
    weight: 1,
    backup: false,
  }));
  return { entry: entry(address), found };
}

t.test(
  'a newcomer takes the bare id if nobody holds it, else id@address; who was there keeps its id',
  async t => {
    const one = backendList([source('a:80', ['10.0.0.1'])], []);
    t.strictSame(lines(one), ['a:80=10.0.0.1:80*1']);
    const two = backendList([source('a:80', ['10.0.0.0', '10.0.0.1'])], one);
    t.strictSame(lines(two), ['a:80@10.0.0.0=10.0.0.0:80*1', 'a:80=10.0.0.1:80*1']);
    const left = backendList([source('a:80', ['10.0.0.0'])], two);
    t.strictSame(lines(left), ['a:80@10.0.0.0=10.0.0.0:80*1']);
    const moved = backendList([source('a:80', ['10.0.0.0', '10.0.0.9'])], left);
    t.strictSame(lines(moved), ['a:80@10.0.0.0=10.0.0.0:80*1', 'a:80=10.0.0.9:80*1']);
  },
);

t.test('of entries that lead to the same endpoint the first keeps it, in whatever spelling', async t => {
  const literal = source('[2001:DB8::0:1]:80', ['2001:DB8::0:1']);
  const list = backendList([literal, source('a:80', ['2001:db8::1', '2001:db8::2'])], []);
  t.strictSame(lines(list), ['[2001:DB8::0:1]:80=2001:DB8::0:1:80*1', 'a:80=2001:db8::2:80*1']);
});

t.test('ids never clash: a literal entry has its id whatever a name took before', async t => {
  const named = source('a:80', ['10.0.0.1', '10.0.0.2']);
  const before = backendList([named], []);
  const literal = { ...source('10.0.0.9:80', ['10.0.0.9'], 'a:80') };
  const list = backendList([named, literal], before);
  t.strictSame(lines(list), [
    'a:80@10.0.0.1=10.0.0.1:80*1',
    'a:80@10.0.0.2=10.0.0.2:80*1',
    'a:80=10.0.0.9:80*1',
  ]);
});

t.test('weights multiply; limits and flags come from the entry', async t => {
  const found = [{ base: 'x:1', endpoint: { kind: 'unix', path: '/x' } as const, weight: 3, backup: true }];
  const from = entry('srv:_x._tcp.example.com', { weight: 2, max_connections: 5, disabled: true });
  t.strictSame(backendList([{ entry: from, found }], []), [
    {
      id: 'x:1',
      endpoint: { kind: 'unix', path: '/x' },
      weight: 6,
      backup: true,
      max_connections: 5,
      disabled: true,
      entry: from,
    },
  ]);
});

t.test('property: ids are unique, endpoints are unique, and whoever stays keeps its id', async () => {
  const hosts = fc
    .uniqueArray(fc.integer({ min: 1, max: 12 }), { maxLength: 8 })
    .map(list => [...list].sort((a, b) => a - b).map(n => `10.0.0.${n}`));
  const round = fc.tuple(hosts, hosts, hosts);
  fc.assert(
    fc.property(fc.array(round, { maxLength: 12 }), rounds => {
      let previous = backendList([], []);
      for (const [a, b, c] of rounds) {
        // The third is an SRV whose target has the name of the first.
        const next = backendList(
          [source('a:80', a), source('b:80', b), source('srv:_a._tcp.b', c, 'a:80')],
          previous,
        );
        if (new Set(next.map(x => x.id)).size !== next.length) return false;
        if (new Set(next.map(x => endpointKey(x.endpoint))).size !== next.length) return false;
        for (const was of previous) {
          const same = next.find(
            x => x.entry.id === was.entry.id && endpointKey(x.endpoint) === endpointKey(was.endpoint),
          );
          if (same !== undefined && same.id !== was.id) return false;
        }
        previous = next;
      }
      return true;
    }),
    { numRuns: 500 },
  );
});

t.test('addresses are in numeric order, IPv4 first, scopes kept apart', async t => {
  const at = (host: string, port = 1) => ({ kind: 'ip', host, port }) as const;
  const unix = { kind: 'unix', path: '/x' } as const;
  const sorted = [unix, at('::1'), at('10.0.0.10'), at('10.0.0.9', 2), at('10.0.0.9'), at('9.9.9.9')].sort(
    compareAddresses,
  );
  t.strictSame(sorted, [at('9.9.9.9'), at('10.0.0.9'), at('10.0.0.9', 2), at('10.0.0.10'), at('::1'), unix]);
  t.equal(compareAddresses(unix, unix), 0);
  t.not(endpointKey(at('fe80::1%a')), endpointKey(at('fe80::1%b')));
  t.equal(endpointKey(at('::ffff:10.0.0.1')), endpointKey(at('10.0.0.1')));
});

import t from 'tap';
import { type OneLinerFlags, parseOneLiner } from '../../src/config/one-liner.js';
import { parseConfigObject } from '../../src/config/parse.js';
import { ConfigError } from '../../src/errors.js';

function errors(flags: OneLinerFlags): string[] {
  try {
    parseOneLiner(flags);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n');
    throw error;
  }
}
const backends = (flags: OneLinerFlags) =>
  parseOneLiner(flags).services.main!.backends.map(b => [b.id, b.weight, b.backup]);

t.test('the examples of the specification', async t => {
  t.strictSame(backends({ listen: ['5432'], to: ['a,b,c'] }), [
    ['a:5432', 1, false],
    ['b:5432', 1, false],
    ['c:5432', 1, false],
  ]);
  const dns = parseOneLiner({ listen: [':53'], udp: true, to: ['10.0.0.1,10.0.0.2'] }).services.main!;
  t.equal(dns.protocol, 'udp');
  t.equal(dns.timeouts.idle, 60_000);
  t.strictSame(dns.backends[0]?.address, { kind: 'ip', host: '10.0.0.1', port: 53 });
  const flags = { listen: ['6379'], to: ['r1:6379*3,r2:6379', 'r3:6379+backup'], strategy: 'ip-hash' };
  t.strictSame(backends(flags), [
    ['r1:6379', 3, false],
    ['r2:6379', 1, false],
    ['r3:6379', 1, true],
  ]);
});

t.test('destinations', async t => {
  const of = (to: string) => backends({ listen: ['[::1]:80'], to: [to] });
  t.strictSame(of('::1, [::2]*2,[::3]:81'), [
    ['[::1]:80', 1, false],
    ['[::2]:80', 2, false],
    ['[::3]:81', 1, false],
  ]);
  t.strictSame(of('a+backup*4,unix:/x,srv:_a._tcp.b'), [
    ['a:80', 4, true],
    ['unix:/x', 1, false],
    ['srv:_a._tcp.b', 1, false],
  ]);
  t.strictSame(backends({ listen: ['10.0.0.1:80', '10.0.0.2:80'], to: ['a'] })[0], ['a:80', 1, false]);
});

t.test('a default port must be one', async t => {
  t.strictSame(errors({ listen: ['80', '81'], to: ['a,b:1'] }), [
    '--to: expected a port in "a", because --listen names several (80, 81)',
  ]);
  t.strictSame(errors({ listen: ['80', '81'], to: ['b:1'] }), []);
  t.match(errors({ listen: ['0'], to: ['a'] }), [/^--to: expected a port in "a", because --listen lets/]);
  t.match(errors({ listen: ['unix:/x'], to: ['a'] }), [/^--to: expected an address with a port/]);
});

t.test('every fault names its flag', async t => {
  t.strictSame(errors({}), [
    '--listen: expected an address to listen on, "[HOST:]PORT", got none',
    '--to: expected a list of backends "host[:port]", got none',
  ]);
  const found = errors({
    listen: ['x'],
    to: ['a:1*x'],
    strategy: 'maglevv',
    engine: 'epol',
    threads: -1,
    admin: '0.0.0.0:1',
    sendProxy: 'v3',
    connectTimeout: '5',
    idleTimeout: '1x',
    drainTimeout: '-1s',
    checkInterval: '1ms',
    checkTimeout: '0',
    fall: 0,
    rise: 1.5,
    maxConnections: Number.NaN,
    logLevel: 'inf',
    logFormat: 'xml',
    name: 'a b',
  });
  t.strictSame(found.map(line => line.split(':')[0]).sort(), [
    '--admin',
    '--check-interval',
    '--check-timeout',
    '--connect-timeout',
    '--drain-timeout',
    '--engine',
    '--fall',
    '--idle-timeout',
    '--listen',
    '--log-format',
    '--log-level',
    '--max-connections',
    '--name',
    '--rise',
    '--send-proxy',
    '--strategy',
    '--threads',
    '--to',
  ]);
  t.match(
    found.find(line => line.startsWith('--strategy')),
    /did you mean "maglev"/,
  );
  t.match(errors({ listen: ['1'], to: ['a'], admin: '0.0.0.0:1' }), [/^--admin: expected admin.token_file/]);
  t.match(errors({ listen: ['1'], to: ['a+bakup'] }), [/^--to: .*did you mean "\+backup"/]);
});

t.test('every flag sets its key', async t => {
  const config = parseOneLiner({
    listen: ['80'],
    to: ['a'],
    engine: 'net',
    threads: 2,
    admin: 'off',
    name: 'edge',
    sendProxy: 'v2',
    acceptProxy: true,
    connectTimeout: '1s',
    idleTimeout: '2s',
    drainTimeout: '3s',
    checkInterval: '4s',
    checkTimeout: '5s',
    fall: 6,
    rise: 7,
    check: false,
    maxConnections: 8,
    logLevel: 'warn',
    logFormat: 'json',
  });
  t.strictSame(
    config,
    parseConfigObject({
      name: 'edge',
      log: { level: 'warn', format: 'json' },
      admin: { listen: 'off' },
      runtime: { engine: 'net', threads: 2, drain_timeout: '3s', max_connections: 8 },
      services: {
        main: {
          listen: ':80',
          backends: ['a:80'],
          timeouts: { connect: '1s', idle: '2s' },
          health: { kind: 'none', interval: '4s', timeout: '5s', fall: 6, rise: 7 },
          proxy_protocol: { accept: 'any', accept_from: ['0.0.0.0/0', '::/0'], send: 'v2' },
        },
      },
    }),
  );
});

import t from 'tap';
import { lintConfig, type SystemFacts } from '../../src/config/lint.js';
import { loadConfigText } from '../../src/config/load.js';
import { parseConfigObject } from '../../src/config/parse.js';

function warnings(service: object, system: SystemFacts = {}, runtime: object = {}): string[] {
  const raw = { runtime, services: { a: { listen: ':1', backends: ['10.0.0.1:1'], ...service } } };
  const issues = lintConfig(parseConfigObject(raw), system);
  t.ok(issues.every(issue => issue.severity === 'warning'));
  return issues.map(issue => `${issue.path.replace('services.a.', '')}: ${issue.message}`);
}

t.test('nothing to say about the defaults', async t => {
  t.strictSame(warnings({}), []);
  t.strictSame(warnings({ protocol: 'udp' }), []);
});

t.test('socket options that only epoll has', async t => {
  const socket = { user_timeout: '30s', defer_accept: '5s', fastopen: 16 };
  const found = ['user_timeout', 'defer_accept', 'fastopen'].map(
    key => `socket.${key}: has no effect on engine "net"`,
  );
  t.strictSame(warnings({ socket }, {}, { engine: 'net' }), found);
  t.strictSame(warnings({ socket }), []);
});

t.test('idle timeouts', async t => {
  t.match(warnings({ timeouts: { idle: '599s' } }), [/^timeouts.idle: 599s closes quiet connections/]);
  t.strictSame(warnings({ timeouts: { idle: '10m' } }), []);
  t.match(warnings({ protocol: 'udp', timeouts: { idle: 0 } }), [/^timeouts.idle: UDP flows never end/]);
  t.strictSame(warnings({ protocol: 'udp', timeouts: { idle: '1s' } }), []);
});

t.test('ip-hash of networks without a bound', async t => {
  const hash = (options: object) => warnings({ strategy: { kind: 'ip-hash', ...options } });
  t.match(hash({ prefix4: 24 }), [/^strategy.prefix4: every client in a \/24 network/]);
  t.strictSame(hash({ prefix4: 24, load_factor: 1.25 }), []);
  t.strictSame(hash({}), []);
});

t.test('health off', async t => {
  t.match(warnings({ health: { kind: 'none' } }), [/^health.kind: active health checks are off/]);
  t.match(warnings({ health: { kind: 'none', passive_failures: 0 } }), [
    /^health.kind: health checks are off/,
  ]);
  t.match(warnings({ protocol: 'udp', health: { passive_failures: 0 } }), [/^health.passive_failures/]);
});

t.test("Redis's lag below its primary's silence", async t => {
  const lag = (kind: string, max_lag: string) =>
    warnings({ health: { kind, max_lag, ...(kind === 'postgres' && { user: 'x' }) } });
  t.match(lag('redis', '10s'), [/^health.max_lag: an idle primary says a word every 10s/]);
  t.strictSame(lag('redis', '11s'), []);
  t.strictSame(lag('redis', '0'), []);
  t.strictSame(lag('postgres', '1s'), []);
});

t.test('file descriptors', async t => {
  t.match(warnings({ max_connections: 513 }, { fileLimit: 1024 }), [
    /^max_connections: 513 connections need 1026/,
  ]);
  t.strictSame(warnings({ max_connections: 512 }, { fileLimit: 1024 }), []);
  t.match(warnings({}, { fileLimit: 1024 }, { max_connections: 1000 }), [/^runtime.max_connections/]);
  t.strictSame(warnings({}, {}, { max_connections: 1e9 }), [], 'an unknown limit is no limit');
});

t.test('a primary that is replaced', async t => {
  const health = { kind: 'redis', role: 'primary' } as const;
  t.match(warnings({ health }), [
    /^health.role: .* new connections fail; with \[queue\]/,
    /^health.on_down: sessions stay on/,
  ]);
  t.strictSame(warnings({ health: { ...health, on_down: 'close' }, queue: { size: 1 } }), []);
});

t.test('backends that are the listener', async t => {
  const loop = (listen: string, backend: string, interfaces: string[] = []) =>
    warnings({ listen, backends: [backend] }, { interfaces }).length === 1;
  t.ok(loop(':80', '127.0.0.1:80'));
  t.ok(loop(':80', 'localhost:80'));
  t.ok(loop(':80', '[::1]:80'));
  t.ok(loop('0.0.0.0:80', '10.9.9.9:80', ['10.9.9.9']));
  t.ok(loop('[::]:80', '[2001:db8::1]:80', ['2001:db8:0::1']));
  t.ok(loop('10.0.0.1:80', '10.0.0.1:80'));
  t.ok(loop('127.0.0.1:80', 'localhost:80'));
  t.ok(loop('unix:/a', 'unix:/a'));
  t.notOk(loop(':80', '127.0.0.1:81'));
  t.notOk(loop(':80', '10.9.9.9:80', ['10.9.9.8']));
  t.notOk(loop('10.0.0.1:80', '127.0.0.1:80'));
  t.notOk(loop('10.0.0.1:80', 'db:80'));
  t.notOk(loop('unix:/a', 'unix:/b'));
  t.match(warnings({ backends: ['b:1 name=x', 'B:1 name=y'] }), [
    /backends\[1\]: the same address as backend "x"/,
  ]);
});

t.test('warnings have places too', async t => {
  const text = '[services.a]\nlisten = ":1"\nbackends = ["127.0.0.1:1"]\ntimeouts.idle = "5m"\n';
  const { issues } = loadConfigText(text, 'lb4.toml', {});
  t.strictSame(
    issues.map(i => [i.source, i.line, i.column, i.path]),
    [
      ['lb4.toml', 4, 17, 'services.a.timeouts.idle'],
      ['lb4.toml', 3, 13, 'services.a.backends[0]'],
    ],
  );
});

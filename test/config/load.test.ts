import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { loadConfigFile, loadConfigText } from '../../src/config/load.js';
import { parseConfigObject } from '../../src/config/parse.js';
import { ConfigError } from '../../src/errors.js';

/** The lines that a text is refused with. */
function errorsOf(load: () => unknown): string[] {
  try {
    load();
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n');
    throw error;
  }
  return [];
}
const errors = (text: string, env = {}) => errorsOf(() => loadConfigText(text, 'lb4.toml', env));

/** A file with one service whose table goes on with `rest`. */
const service = (rest: string) => `[services.pg]\nlisten = ":5432"\nbackends = ["10.0.0.1:5432"]\n${rest}`;

t.test('values are parsed: times in ms, rates per second, addresses, bytes', async t => {
  const { config, issues } = loadConfigText(
    `name = "edge"
[services.pg]
listen = [":5432", "unix:/run/pg.sock"]
strategy = { kind = "ip-hash", prefix4 = 24, load_factor = 1.5 }
backends = [
  "10.0.0.1:5432",
  "db:5432 weight=2 backup max_connections=5 name=x disabled",
  { address = "srv:_pg._tcp.example.com", weight = 0 },
]
connection_rate = "30/m"
connection_rate_per_client = 0
[services.pg.timeouts]
idle = "1.5h"
[services.pg.health]
kind = "exchange"
send = "PING\\r\\n"
expect_hex = "ff 00"
`,
    'lb4.toml',
    {},
  );
  const pg = config.services.pg!;
  t.strictSame(issues, []);
  t.equal(pg.name, 'pg');
  t.strictSame(pg.listen, [
    { kind: 'any', port: 5432 },
    { kind: 'unix', path: '/run/pg.sock' },
  ]);
  t.strictSame(pg.strategy, { kind: 'ip-hash', prefix4: 24, prefix6: 64, load_factor: 1.5 });
  t.strictSame(
    pg.backends.map(b => [b.id, b.weight, b.backup, b.max_connections, b.disabled]),
    [
      ['10.0.0.1:5432', 1, false, 0, false],
      ['x', 2, true, 5, true],
      ['srv:_pg._tcp.example.com', 0, false, 0, false],
    ],
  );
  t.strictSame(pg.backends[1]?.address, { kind: 'name', host: 'db', port: 5432 });
  t.equal(pg.connection_rate, 0.5);
  t.equal(pg.connection_rate_per_client, 0);
  t.equal(pg.timeouts.idle, 5_400_000);
  t.strictSame([...pg.health.send], [...Buffer.from('PING\r\n')]);
  t.strictSame([...pg.health.expect], [255, 0]);
  t.throws(() => Object.assign(pg.backends[0]!, { weight: 7 }), TypeError, 'frozen through and through');
});

t.test('every error at once, in the order of the file, each at its place', async t => {
  t.strictSame(
    errors(`nme = "x"
[services.pg]
listen = ":5432"
strategy = "roundrobin"
backends = ["10.0.0.1:5432", "10.0.0.1:5432", { address = "db", weight = -1 }]

[services.pg.health]
intervall = "2s"
fall = 0
[services.dns]
protocol = "udp"
listen = ":53"
backends = ["10.0.0.1:53"]
queue.size = 5
`),
    [
      'lb4.toml:1:1 nme: unknown key "nme" (did you mean "name"?)',
      'lb4.toml:4:12 services.pg.strategy: expected one of "round-robin", "weighted-round-robin", ' +
        '"least-connections", "least-response-time", "ip-hash", "random", "two-choices", "maglev", "first" ' +
        'or a module\'s path "./x.js", got "roundrobin" (did you mean "round-robin"?)',
      'lb4.toml:5:30 services.pg.backends[1]: expected an id of its own, got "10.0.0.1:5432" again (the same as backends[0]; give one a name)',
      'lb4.toml:5:59 services.pg.backends[2].address: expected an address with a port, "host:port", got "db"',
      'lb4.toml:5:74 services.pg.backends[2].weight: expected a whole number from 0 to 65535, got -1',
      'lb4.toml:8:1 services.pg.health.intervall: unknown key "intervall" (did you mean "interval"?)',
      'lb4.toml:9:8 services.pg.health.fall: expected a whole number from 1 to 1000, got 0',
      'lb4.toml:14:14 services.dns.queue.size: the queue works on TCP services only; this one is UDP',
    ],
  );
});

t.test(
  'places in headers, dotted and quoted keys, nested lists, after a byte order mark and CRLF',
  async t => {
    const at = (text: string) => errors(text).map(line => line.split(' ')[0]);
    t.strictSame(at(`\ufeff[log]\r\nlevel = "x"\r\n${service('')}`), ['lb4.toml:2:9']);
    t.strictSame(at(`  "log" . 'level' = "x"\n${service('')}`), ['lb4.toml:1:21']);
    t.strictSame(at(`log . "le\\"x" = 1\n${service('')}`), ['lb4.toml:1:7']);
    t.strictSame(at(service('allow = [\n  "10.0.0.0/8",\n  "10.0.0.0/33",\n]')), ['lb4.toml:6:3']);
    t.strictSame(at(service('socket = { nodelay = true, backlog = 0 }')), ['lb4.toml:4:38']);
    t.strictSame(at('[ services . pg ]\nlisten = ":1"\n'), ['lb4.toml:1:14'], 'a missing key: its table');
    t.strictSame(
      at(
        '[services.pg]\nlisten = ":1"\n[[services.pg.backends]]\naddress = "a:1"\n[[services.pg.backends]]\nweight = "1"\naddress="b:1"\n',
      ),
      ['lb4.toml:6:10'],
    ); // prettier-ignore
    t.strictSame(at('services."a\\"b".fall = 3\n').at(-1), 'lb4.toml:1:17', 'after an escaped quote');
    t.strictSame(at(''), ['lb4.toml:1:1']);
  },
);

t.test('a fault that follows from another one is not reported', async t => {
  t.strictSame(
    errors(service('[services.pg.proxy_protocol]\naccept = "any"\naccept_from = ["10.0.0.0/99"]')),
    [
      'lb4.toml:6:16 services.pg.proxy_protocol.accept_from[0]: expected a prefix length from 0 to 32, got "10.0.0.0/99"',
    ],
  );
  t.strictSame(errors(service('protocol = "upd"\n[services.pg.health]\nkind = "tcp"\n')).length, 1);
});

t.test('a key in the wrong table says where it belongs', async t => {
  t.strictSame(errors(service('fall = 3')), [
    'lb4.toml:4:1 services.pg.fall: unknown key "fall" (it belongs to [services.NAME.health])',
  ]);
});

t.test('syntax errors are one plain line', async t => {
  for (const [text, message] of [
    [
      'a = \n',
      ':1:5: not valid TOML: expected a value (text in quotes, a number, true, false, a list or a table), got the end of the line',
    ],
    ['[services.pg\n', ':1:13: not valid TOML: expected "]", got the end of the line'],
    ['a = "x\n', ":1:7: not valid TOML: expected the string's closing quote, got the end of the line"],
    ['a = 1 b = 2', ':1:7: not valid TOML: expected the end of the line, got "b"'],
    ['\nhello\n', ':2:6: not valid TOML: expected "=", got the end of the line'],
    ['a = 1\na = 2', ":2:1: not valid TOML: cannot redefine existing key 'a'"],
  ] as const) {
    t.strictSame(errors(text), [`lb4.toml${message}`]);
  }
});

t.test('values from the environment', async t => {
  const text = service('name_here = 1').replace('name_here = 1', 'timeouts.connect = "\u0024{T}"');
  t.equal(loadConfigText(text, 'x', { T: '7s' }).config.services.pg?.timeouts.connect, 7000);
  t.strictSame(errors(text), [
    'lb4.toml:4:20 services.pg.timeouts.connect: the environment variable T is not set',
  ]);
  t.match(errors(text, { T: '7' })[0], /connect: expected a duration .*got "7"/);
  t.match(errors(service('strategy = "\u0024{}"'))[0], /expected "\$\{NAME\}"/);
  t.match(errors(service('strategy = "\u0024{toString}"'))[0], /variable toString is not set/);
  const literal = service('strategy = { kind = "/x.js", text = "$\u0024{T} \u0024{T}" }');
  t.equal(
    loadConfigText(literal, 'x', { T: '\u0024{U}' }).config.services.pg?.strategy.text,
    '\u0024{T} \u0024{U}',
  );
  const asIs = {
    services: { a: { listen: '1', backends: ['b:1'], strategy: { kind: '/x.js', t: '\u0024{T}' } } },
  };
  t.equal(parseConfigObject(asIs).services.a?.strategy.t, '\u0024{T}', 'objects are taken as they are');
});

t.test('keys that could reach a prototype are refused and do no harm', async t => {
  for (const key of ['__proto__', 'constructor', 'prototype']) {
    t.strictSame(errors(`${key}.polluted = 1\n${service('')}`), [
      `lb4.toml:1:1 ${key}: the key "${key}" is not allowed`,
    ]);
    t.match(errors(service(`[services.${key}]\npolluted = 1`))[0], /is not allowed/);
    t.match(errors(service(`strategy = { kind = "/x.js", ${key} = { polluted = 1 } }`))[0], /is not allowed/);
  }
  t.notOk('polluted' in {});
  const { config } = loadConfigText(`[services.toString]\nlisten = "1"\nbackends = ["a:1"]`, 'x', {});
  t.equal(config.services.toString.name, 'toString');
  t.equal(Object.getPrototypeOf(config.services), null);
});

t.test('untrusted text is escaped and shortened', async t => {
  const [line = ''] = errors(service(`strategy = "\\u001b[31m\\u202e\\u2028\\u0085${'x'.repeat(500)}"`));
  t.notMatch(line, /[\p{Cc}\u202e\u2028]/u);
  t.match(line, /got "\\u001b\[31m/);
  t.ok(line.length < 400, line);
  for (const key of ['listen', 'deny', 'backends']) {
    for (const found of errors(`[services.pg]\n${key} = ["\\u001b[31m\\u202e${'x'.repeat(9000)}"]`)) {
      t.notMatch(found, /[\p{Cc}\u202e]/u);
      t.ok(found.length < 400, found);
    }
  }
  t.notMatch(errors(`[services."a\\u001b\\n"]\nx = 1`).join(''), /\p{Cc}/u);
  t.notMatch(errorsOf(() => loadConfigText('a =', 'x\n\u001b.toml', {})).join(''), /\p{Cc}/u);
});

t.test('files', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'lb4-config-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = (name: string, content: string | Uint8Array) => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };
  const fault = (path: string) => errorsOf(() => loadConfigFile(path, {}));
  const missing = join(folder, 'none.toml');
  t.strictSame(fault(missing), [`${missing}: cannot be read: no such file`]);
  t.strictSame(fault(folder), [`${folder}: cannot be read: it is a folder`]);
  const binary = file('binary', Uint8Array.of(0x61, 0xff, 0x0a));
  t.strictSame(fault(binary), [`${binary}: expected UTF-8 text, got other bytes`]);
  const big = file('big', Buffer.alloc(16 * 1024 * 1024 + 1, '#'));
  t.strictSame(fault(big), [`${big}: expected at most 16 MiB, got more`]);
  t.strictSame(fault('/dev/zero'), ['/dev/zero: expected at most 16 MiB, got more'], 'a file without end');

  const relative = file('ok.toml', `admin.token_file = "token"\n${service('strategy = "./mine.js"')}`);
  const { config } = loadConfigFile(relative, {});
  t.equal(config.services.pg?.strategy.kind, join(folder, 'mine.js'));
  t.equal(config.admin.token_file, join(folder, 'token'));
});

t.test('objects: the path is the place, or what the caller says', async t => {
  const raw = { services: { a: { listen: 'x', backends: [] } } };
  t.strictSame(
    errorsOf(() => parseConfigObject(raw)),
    [
      'config services.a.listen: expected a listen address "[HOST:]PORT" or "unix:/path", got "x"',
      'config services.a.backends: expected at least one backend, got an empty list',
    ],
  );
  for (const bad of [undefined, null, 5, 'x', [], { services: [] }, { services: { a: null } }, new Date()]) {
    t.throws(() => parseConfigObject(bad), { code: 'LB4_CONFIG' });
  }
  const cyclic: Record<string, unknown> = {};
  cyclic.self = cyclic;
  t.throws(() => parseConfigObject(cyclic), { code: 'LB4_CONFIG' });
});

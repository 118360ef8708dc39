import fc from 'fast-check';

/** Raw configurations that hold, with every key that there is, for property tests. */

const port = fc.integer({ min: 1, max: 65535 });
const int = (max: number, min = 0) => fc.integer({ min, max });
const durationText = fc.oneof(
  fc.constant('0'),
  fc.tuple(int(500, 1), fc.constantFrom('ms', 's', 'm', 'h')).map(([n, unit]) => `${n}${unit}`),
);
const rateText = fc.oneof(
  fc.constant('0'),
  fc
    .tuple(fc.oneof(int(5000, 1), fc.constantFrom(1.5, 0.125)), fc.constantFrom('s', 'm'))
    .map(([n, unit]) => `${n}/${unit}`),
);
const name = fc.stringMatching(/^[A-Za-z0-9_.-]{1,12}$/);
const v4 = fc.tuple(int(255), int(255), int(255), int(255)).map(parts => parts.join('.'));
const network = fc.oneof(
  fc.tuple(v4, int(32)).map(([host, bits]) => `${host}/${bits}`),
  fc.constantFrom('2001:db8::/32', '::1', '10.1.2.3'),
);
const unixPath = fc
  .stringMatching(/^[ -~]{1,40}$/)
  .filter(path => path.trim() === path)
  .map(path => `unix:/${path}`);
const host = fc.oneof(v4, fc.constantFrom('db', 'db-1.example.com', '[2001:db8::1]', '[::1]'));
const hostPort = fc.tuple(host, port).map(([h, p]) => `${h}:${p}`);

function maybe<T>(value: fc.Arbitrary<T>) {
  return fc.option(value, { nil: undefined });
}

/** A record whose keys may be missing, as in a file. */
function table<T extends Record<string, fc.Arbitrary<unknown>>>(keys: T) {
  return fc.record(keys, { requiredKeys: [] });
}

function backends(unix: boolean) {
  const address = unix ? fc.oneof({ weight: 4, arbitrary: hostPort }, unixPath) : hostPort;
  const backend = table({
    weight: int(65535),
    backup: fc.boolean(),
    max_connections: int(1000),
    disabled: fc.boolean(),
  });
  return fc
    .array(fc.tuple(address, backend, fc.boolean()), { minLength: 1, maxLength: 5 })
    .map(list =>
      list.map(([at, rest, named], i) => ({ ...rest, address: at, ...(named && { name: `b${i}` }) })),
    )
    .filter(list => new Set(list.map(b => b.name ?? b.address)).size === list.length);
}

const optionValue = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string(),
  fc.constantFrom('\u0024{HOME}', '$\u0024{x}', '\u0024{', '\x7f\x00\u2028"\\', -0, 1e21, 2 ** 60, Infinity),
  fc.integer(),
  fc.double({ noNaN: true }),
  fc.boolean(),
);
const strategy = fc.oneof(
  fc.constantFrom('round-robin', 'least-connections', 'maglev', 'first', '/opt/my strategy.js'),
  fc.record({ kind: fc.constant('ip-hash'), prefix4: int(32) }),
  fc.record({ kind: fc.constant('ip-hash'), prefix6: int(128), load_factor: fc.constantFrom(1.25, 2) }),
  fc
    .tuple(
      fc.dictionary(
        fc
          .string({ minLength: 1 })
          .filter(key => !['kind', '__proto__', 'constructor', 'prototype'].includes(key)),
        fc.oneof(optionValue, fc.array(optionValue, { maxLength: 3 })),
        { maxKeys: 4, noNullPrototype: true },
      ),
    )
    .map(([options]) => ({ ...options, kind: '/opt/mine.js' })),
);

const hex = fc.uint8Array({ minLength: 1, maxLength: 12 }).map(bytes => Buffer.from(bytes).toString('hex'));
const probe = fc.oneof(
  fc.record({ kind: fc.constant('exchange'), send: fc.string({ minLength: 1 }) }),
  fc.record({ kind: fc.constant('exchange'), send_hex: hex, expect_hex: hex }),
  fc.record({ kind: fc.constant('none') }),
  fc.constant({}),
);
const healthKeys = table({
  interval: fc.constantFrom('10ms', '2s', '1.5m'),
  timeout: fc.constantFrom('1ms', '3s'),
  fall: int(1000, 1),
  rise: int(1000, 1),
  jitter: fc.double({ min: 0, max: 1, noNaN: true }),
  port: int(65535),
  passive_failures: int(1000),
  on_down: fc.constantFrom('keep', 'close'),
  slow_start: durationText,
  panic_threshold: int(100),
});
const health = fc.tuple(probe, healthKeys).map(([a, b]) => ({ ...a, ...b }));

const tls = fc.oneof(
  fc.boolean(),
  table({
    ca_file: fc.constantFrom('ca.pem', '/etc/ca.pem'),
    verify: fc.boolean(),
    server_name: fc.constant('db.x'),
  }),
  fc.constant({ cert_file: 'a.pem', key_file: 'a.key' }),
);
const roles = fc.oneof(
  fc.record({ role: fc.constant('primary') }),
  fc.record(
    { role: fc.constantFrom('any', 'replica', 'prefer-replica'), max_lag: durationText },
    { requiredKeys: ['role'] },
  ),
);
const login = { user: fc.constantFrom('lb4', 'a b'), password_file: fc.constantFrom('pw', '/run/pw') };
const databaseProbe = fc.oneof(
  fc.tuple(fc.record({ kind: fc.constant('redis') }), table({ tls, password_file: login.password_file })),
  fc.tuple(
    fc.record({ kind: fc.constant('postgres'), ...login }),
    table({ tls, database: fc.constant('app') }),
  ),
);
const database = fc
  .tuple(databaseProbe, roles, healthKeys)
  .map(([[kind, rest], role, keys]) => ({ ...kind, ...rest, ...role, ...keys, panic_threshold: 0 }));
/** What a service may say beside a group of databases. */
const ownHealth = fc
  .tuple(roles, table({ fall: int(9, 1), on_down: fc.constantFrom('keep', 'close') }))
  .map(([role, keys]) => ({ ...role, ...keys }));

const common = {
  strategy,
  max_connections: int(1e6),
  max_connections_per_client: int(1e6),
  connection_rate: rateText,
  connection_rate_per_client: rateText,
  allow: fc.array(network, { maxLength: 3 }),
  deny: fc.array(network, { maxLength: 3 }),
  retry: table({ attempts: int(1000, 1) }),
  health,
  socket: table({
    nodelay: fc.boolean(),
    keepalive: durationText,
    user_timeout: durationText,
    defer_accept: durationText,
    fastopen: int(65_535),
    backlog: int(65535, 1),
    source: fc.constantFrom('', '10.0.0.1', '2001:db8::9'),
  }),
};
const tcp = fc
  .tuple(
    fc.record({ backends: backends(true) }),
    table({
      ...common,
      health: fc.oneof(health, database),
      timeouts: table({
        connect: durationText,
        idle: durationText,
        half_closed: durationText,
        queue: durationText,
        header: fc.constantFrom('10ms', '1s', '5s', '30s'),
      }),
      queue: table({ size: int(1000) }),
      proxy_protocol: fc.oneof(
        table({ send: fc.constantFrom('off', 'v1', 'v2') }),
        fc.record({ accept: fc.constantFrom('v1', 'any'), accept_from: fc.array(network, { minLength: 1 }) }),
      ),
    }),
  )
  .map(([required, rest]) => ({ protocol: 'tcp', ...required, ...rest }));
const udp = fc
  .tuple(
    fc.record({ backends: backends(false) }),
    table({
      ...common,
      timeouts: table({ connect: durationText, idle: durationText }),
      udp: table({ max_flows: int(1e6, 1), responses: int(100), requests: int(100) }),
    }),
  )
  .map(([required, rest]) => ({ protocol: 'udp', ...required, ...rest }))
  .filter(service => {
    const probed: { kind?: string; send?: string; send_hex?: string } =
      'health' in service ? (service.health ?? {}) : {};
    return probed.kind !== 'exchange' || (probed.send ?? probed.send_hex) !== undefined;
  });

const serviceName = name.filter(text => !['constructor', 'prototype', '__proto__'].includes(text));

/** A whole raw configuration; services get ports of their own. */
export const rawConfig = fc
  .tuple(
    table({
      name,
      log: table({
        level: fc.constantFrom('trace', 'info', 'silent'),
        format: fc.constantFrom('auto', 'pretty', 'json'),
        connections: fc.boolean(),
      }),
      admin: fc.oneof(
        table({ listen: fc.constantFrom('unix', 'off', 'unix:/run/a b.sock', '127.0.0.1:9', '[::1]:9') }),
        fc.record({
          listen: fc.constant('0.0.0.0:9'),
          token_file: fc.constantFrom('/etc/token', '/a/\u0024{b}'),
        }),
      ),
      runtime: table({
        engine: fc.constantFrom('auto', 'epoll', 'net'),
        threads: int(256),
        max_connections: int(1e6),
        drain_timeout: durationText,
        user: fc.constantFrom('', 'nobody', '65534:nogroup'),
      }),
    }),
    maybe(fc.record({ backends: backends(true), health: database })),
    fc.array(fc.tuple(serviceName, fc.oneof(tcp, udp), maybe(v4), maybe(ownHealth)), {
      minLength: 1,
      maxLength: 3,
    }),
  )
  .map(([globals, group, list]) => {
    const services = list.map(([key, service, at, own], i) => {
      const listen = at === undefined ? `:${1000 + i}` : [`${at}:${1000 + i}`, `[::1]:${2000 + i}`];
      if (group === undefined || own === undefined || service.protocol === 'udp') {
        return [key, { ...service, listen }] as const;
      }
      const { backends: _, ...rest } = service;
      return [key, { ...rest, listen, group: 'shared', health: own }] as const;
    });
    const groups = group === undefined ? {} : { groups: { shared: group } };
    return { ...globals, ...groups, services: Object.fromEntries(services) };
  });

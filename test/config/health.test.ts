import { inspect } from 'node:util';
import t from 'tap';
import { diffConfig } from '../../src/config/diff.js';
import { loadConfigText } from '../../src/config/load.js';
import { parseConfigObject } from '../../src/config/parse.js';
import { printConfig } from '../../src/config/print.js';
import type { Config, ConfigInput } from '../../src/config/schema.js';
import { ConfigError } from '../../src/errors.js';
import { createLogger } from '../../src/log.js';

type HealthInput = NonNullable<ConfigInput['services'][string]['health']>;

function parse(health: HealthInput, protocol: 'tcp' | 'udp' = 'tcp'): Config {
  const service = { listen: ':1', protocol, backends: ['10.0.0.1:1'], health };
  return parseConfigObject({ services: { db: service } }, { base: '/etc/lb4' });
}

/** The lines that a health table is refused with, without the place they all have. */
function errors(health: HealthInput, protocol?: 'udp'): string[] {
  try {
    parse(health, protocol);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.issues.map(({ path, message }) => `${path.replace('services.db.health.', '')}: ${message}`);
  }
  return [];
}

t.test('redis and postgres, with all that they know', async t => {
  const { health } = parse({
    kind: 'postgres',
    user: 'lb4',
    password_file: 'secret',
    role: 'replica',
    max_lag: '10s',
    tls: { ca_file: 'ca.pem', server_name: 'db.example.com' },
  }).services.db!;
  t.match(health, {
    kind: 'postgres',
    user: 'lb4',
    password_file: '/etc/lb4/secret',
    database: 'postgres',
    role: 'replica',
    max_lag: 10_000,
    tls: { ca_file: '/etc/lb4/ca.pem', verify: true, server_name: 'db.example.com' },
  });
  t.strictSame(parse({ kind: 'redis', tls: true }).services.db!.health.tls, {
    ...{ ca_file: undefined, cert_file: undefined, key_file: undefined },
    verify: true,
  });
  t.strictSame(errors({ kind: 'postgres' }), []);
  t.strictSame(errors({ kind: 'redis', role: 'primary' }), []);
  t.strictSame(errors({ kind: 'redis', password: 'x' }), [], 'the default user');
});

const KIND = 'expected health.kind =';
const USER = 'expected user beside this key';

for (const [what, health, lines] of [
  [
    'a role of tcp',
    { role: 'primary' },
    [`role: ${KIND} one of "redis", "postgres" with this key, got "tcp"`],
  ],
  ['lag of none', { kind: 'none', max_lag: '1s' }, [`max_lag: ${KIND} one of`]],
  ['a login for exchange', { kind: 'exchange', send: 'x', user: 'a', password: 'b' }, ['user:', 'password:']],
  [
    'a database of redis',
    { kind: 'redis', database: 'x' },
    [`database: ${KIND} "postgres" with this key, got "redis"`],
  ],
  ['postgres, role without a login', { kind: 'postgres', role: 'primary' }, [`role: ${USER}`]],
  [
    'postgres, a password alone',
    { kind: 'postgres', password: 'b', tls: true },
    [`password: ${USER}`, `tls: ${USER}`],
  ],
  [
    'redis, a user alone',
    { kind: 'redis', user: 'a' },
    ['user: expected password or password_file beside user'],
  ],
  [
    'two passwords',
    { kind: 'redis', password: 'b', password_file: 'c' },
    ['password_file: expected password or password_file, got both'],
  ],
  ['bytes to send', { kind: 'redis', send: 'PING' }, [`send: ${KIND} "exchange" with this key, got "redis"`]],
  [
    'lag of primaries',
    { kind: 'redis', role: 'primary', max_lag: '1s' },
    ['max_lag: expected a role that takes replicas'],
  ],
  [
    'panic with a role',
    { kind: 'redis', role: 'replica', panic_threshold: 50 },
    ['panic_threshold: expected 0 with role = "replica"'],
  ],
  [
    'half a certificate',
    { kind: 'redis', tls: { cert_file: 'x' } },
    ['tls: expected cert_file and key_file together'],
  ],
  [
    'a word for tls',
    { kind: 'redis', tls: 'yes' as never },
    ['tls: expected true, false or a table, got "yes"'],
  ],
  [
    'a wrong key of tls',
    { kind: 'redis', tls: { cafile: 'x' } as never },
    ['tls.cafile: unknown key "cafile" (did you mean "ca_file"?)'],
  ],
  [
    'a near miss',
    { kind: 'redis', role: 'master' as never },
    ['role: expected one of "any", "primary", "replica", "prefer-replica", got "master"'],
  ],
] as const) {
  t.test(`refused in words: ${what}`, async t => {
    const found = errors(health as HealthInput);
    t.equal(found.length, lines.length, found.join('\n'));
    for (const [i, line] of lines.entries()) t.ok(found[i]?.startsWith(line), `${found[i]} <> ${line}`);
  });
}

t.test('nothing of this on UDP', async t => {
  const message = 'kind: expected one of "exchange", "none" on a UDP service, got "redis"';
  t.strictSame(errors({ kind: 'redis' }, 'udp'), [message]);
});

t.test('a password is seen nowhere', async t => {
  const config = parse({ kind: 'redis', user: 'lb4', password: 'hush-hush' });
  const { health } = config.services.db!;
  t.equal(health.password?.reveal(), 'hush-hush');
  const lines: string[] = [];
  const logger = createLogger(
    { level: 'info', format: 'json', connections: true },
    { write: line => lines.push(line) },
  );
  logger.info({ config, health }, `${health.password}`);
  for (const seen of [printConfig(config), JSON.stringify(config), inspect(config, { depth: 9 }), ...lines]) {
    t.notMatch(seen, /hush/);
  }
  t.notMatch(inspect(structuredClone({ ...health.password })), /hush/);
  t.match(printConfig(config), '\n# password = "…"\n');
  const changed = parse({ kind: 'redis', user: 'lb4', password: 'another' });
  t.strictSame(diffConfig(config, changed).changed[0]?.settings, ['health.password'], 'but a change is seen');
  t.strictSame(diffConfig(config, parse({ kind: 'redis', user: 'lb4', password: 'hush-hush' })).changed, []);
  for (const password of [4711, ['hush'], '', 'hush'.repeat(2_000)]) {
    const [line] = errors({ kind: 'redis', password: password as never });
    t.match(
      line,
      /^password: expected text of at most 4096 characters, got (something else|an empty one|a longer one)$/,
    );
  }
});

t.test('a password from the environment, and one that looks like it', async t => {
  const file = (password: string) =>
    `[services.db]\nlisten = ":1"\nbackends = ["a:1"]\n[services.db.health]\nkind = "redis"\npassword = "${password}"\n`;
  const { config } = loadConfigText(file('\u0024{PW}'), 'x', { PW: 'from env' });
  t.equal(config.services.db?.health.password?.reveal(), 'from env');
  try {
    loadConfigText(file('hush\u0024{hush'), 'x', {});
    t.fail('expected an error');
  } catch (error) {
    t.notMatch((error as Error).message, /hush/);
  }
});

import t from 'tap';
import { diffConfig } from '../../src/config/diff.js';
import { OWN_HEALTH_KEYS } from '../../src/config/group.js';
import { lintConfig } from '../../src/config/lint.js';
import { loadConfigText } from '../../src/config/load.js';
import { parseConfigObject } from '../../src/config/parse.js';
import type { Config, ConfigInput } from '../../src/config/schema.js';
import { ConfigError } from '../../src/errors.js';
import { probing } from '../../src/health/settings.js';

const PG = {
  backends: ['10.0.0.1:5432', '10.0.0.2:5432 weight=2'],
  health: { kind: 'postgres', user: 'lb4', password: 'hush', interval: '1s', fall: 5, max_lag: '9s' },
} as const satisfies NonNullable<ConfigInput['groups']>[string];

type Service = ConfigInput['services'][string];

function parse(
  services: Record<string, Partial<Service>>,
  groups: ConfigInput['groups'] = { pg: PG },
): Config {
  const full = Object.entries(services).map(([name, rest], i) => [
    name,
    { listen: `:${i + 1}`, group: 'pg', ...rest },
  ]);
  return parseConfigObject({ groups, services: Object.fromEntries(full) as Record<string, Service> });
}

/** The lines that a service and its group are refused with. */
function errors(service: Partial<Service>, groups?: ConfigInput['groups']): string[] {
  try {
    parse({ rw: service }, groups);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.issues.map(({ path, message }) => `${path}: ${message}`);
  }
  return [];
}

t.test(
  'services have the servers and the health of their group, but for what they say themselves',
  async t => {
    const { services, groups } = parse({
      rw: { health: { role: 'primary', on_down: 'close' } },
      ro: { health: { role: 'replica', max_lag: '2s', fall: 1 } },
    });
    const { rw, ro } = services;
    t.equal(rw!.group, 'pg');
    for (const one of [rw!, ro!]) {
      t.strictSame(one.backends, groups.pg!.backends);
      t.match(one.health, { kind: 'postgres', user: 'lb4', interval: 1_000, timeout: 1_000 });
      t.equal(one.health.password?.reveal(), 'hush');
    }
    t.match(rw!.health, { role: 'primary', on_down: 'close', fall: 5, max_lag: 9_000 });
    t.match(ro!.health, { role: 'replica', on_down: 'keep', fall: 1, max_lag: 2_000 });
    t.strictSame(probing(rw!.health), probing(ro!.health), 'so that the servers are probed once');
  },
);

t.test('what a service may say itself does not decide how to probe, and nothing else does not', async t => {
  const { health } = parse({ rw: {} }).services.rw!;
  const deciding = Object.keys(probing(health));
  const own = Object.keys(health).filter(key => !deciding.includes(key));
  t.same(own.sort(), [...OWN_HEALTH_KEYS].sort());
});

t.test('the default probe follows the protocol of the service', async t => {
  const groups = { pg: { backends: ['a:1'] } };
  t.equal(parse({ a: {} }, groups).services.a?.health.kind, 'tcp');
  t.equal(parse({ a: { protocol: 'udp' } }, groups).services.a?.health.kind, 'none');
});

t.test('refused in words', async t => {
  const backends = ['10.0.0.9:1'];
  t.strictSame(errors({ group: 'gp' }), [
    'services.rw.group: expected the name of a table [groups.NAME], got "gp" (did you mean "pg"?)',
  ]);
  t.strictSame(errors({ group: 'constructor' }).length, 1);
  t.strictSame(errors({ backends }), ['services.rw.backends: expected backends or group, got both']);
  t.strictSame(errors({ group: undefined }), [
    'services.rw.backends: expected a list of backends, or a group, got nothing',
  ]);
  t.strictSame(errors({ health: { interval: '5s', role: 'primary' } }), [
    'services.rw.health.interval: expected this key in [groups.pg.health]: its servers are probed once for all services',
  ]);
  t.match(errors({ protocol: 'udp' }), [
    /^services.rw.group: expected one of "exchange", "none" on a UDP service, got "postgres"/,
  ]);
  t.match(errors({ health: { role: 'primary' } }, { pg: { backends } }), [
    /^services.rw.health.role: expected health.kind = one of "redis", "postgres" with this key, got "tcp"/,
  ]);
  t.match(errors({}, { pg: { backends, health: { kind: 'tcp', user: 'x', role: 'replica' } } }), [
    /^groups.pg.health.user: expected health.kind/,
    /^groups.pg.health.role: expected health.kind/,
  ]);
  t.match(errors({}, { pg: { backends: ['a:1', 'a:1'] } }), [
    /^groups.pg.backends\[1\]: expected an id of its own/,
  ]);
  t.match(errors({}, { pg: { backends: [] } }), [/^groups.pg.backends: expected at least one backend/]);
  t.match(errors({ group: 'a b' }, { 'a b': { backends } }), [
    /^services.rw.group: expected a name of up to 64/,
    /^groups."a b": expected a name of up to 64/,
  ]);
});

t.test('a fault in a group is told once, at its place', async t => {
  const text = `[groups.pg]
backends = ["10.0.0.1:5432 wieght=2", "10.0.0.2:5432"]
[groups.pg.health]
kind = "postgers"
intervall = "1s"
[services.rw]
listen = ":1"
group = "pg"
health.role = "primary"
[services.ro]
listen = ":2"
group = "pg"
health.role = "replica"
`;
  t.throws(() => loadConfigText(text, 'x', {}), {
    message:
      /^x:2:13 groups.pg.backends\[0\]: .*did you mean "weight".*\nx:4:8 groups.pg.health.kind: expected one of .*did you mean "postgres".*\nx:5:1 groups.pg.health.intervall: unknown key .*$/,
  });
});

t.test('a change of a group is a change of its services', async t => {
  const services: Record<string, Partial<Service>> = {
    rw: { health: { role: 'primary' } },
    ro: {},
    other: { group: undefined, backends: ['b:1'] },
  };
  const health = { ...PG.health, password: 'other', interval: '2s' } as const;
  const after = { pg: { backends: ['10.0.0.1:5432'], health } };
  const { changed, unchanged, settings, restart } = diffConfig(parse(services), parse(services, after));
  t.strictSame(
    changed.map(({ service, backends }) => [service, backends.removed]),
    [
      ['rw', ['10.0.0.2:5432']],
      ['ro', ['10.0.0.2:5432']],
    ],
  );
  t.strictSame(changed[0]?.settings, ['health.interval', 'health.password']);
  t.strictSame([unchanged, settings, restart], [['other'], [], []]);
});

t.test('a group that nobody uses', async t => {
  const config = parse({ a: { group: undefined, backends: ['b:1'] } });
  t.match(lintConfig(config), [{ path: 'groups.pg', message: 'no service uses this group' }]);
});

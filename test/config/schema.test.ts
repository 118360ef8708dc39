import { existsSync, readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { z } from 'zod';
import { generatedFiles } from '../../scripts/schema.js';
import { configJsonSchema, type JsonSchema } from '../../src/config/json-schema.js';
import { loadConfigFile } from '../../src/config/load.js';
import { CONFIG_DEFAULTS } from '../../src/config/print.js';
import { readToml } from '../../src/config/toml.js';

/** What the examples take from the environment. */
const env = {
  ...{ CACHE_1: '10.0.1.21', CACHE_2: '10.0.1.22', CHECK_INTERVAL: '1s' },
  ...{ LB4_PG_PASSWORD: 'x', LB4_REDIS_PASSWORD: 'x' },
};
const files = readdirSync('configs').filter(file => file.endsWith('.toml'));

t.test('generated files are fresh (else: node dist/scripts/schema.js)', async t => {
  for (const [path, content] of generatedFiles(process.cwd())) {
    t.ok(readFileSync(path, 'utf8') === content, path);
  }
});

t.test('every example loads without a warning and says what it is', async t => {
  t.ok(files.length >= 13);
  for (const file of files) {
    const { config, issues } = loadConfigFile(`configs/${file}`, env);
    t.strictSame(issues, [], file);
    for (const { strategy } of Object.values(config.services)) {
      t.ok(!strategy.kind.startsWith('/') || existsSync(strategy.kind), strategy.kind);
    }
    const [schema = '', about = ''] = readFileSync(`configs/${file}`, 'utf8').split('\n');
    t.equal(schema, '#:schema ../lb4.schema.json');
    t.match(about, /^# .{20}/);
    t.match(readFileSync(`configs/${file}`, 'utf8'), `lb4 -c configs/${file}`);
  }
});

t.test('lb4.schema.json agrees with the parser', async t => {
  const validator = z.fromJSONSchema(JSON.parse(readFileSync('lb4.schema.json', 'utf8')));
  const rawOf = (text: string): unknown => JSON.parse(JSON.stringify(readToml(text, 'x').raw));
  for (const file of files.filter(f => f !== 'environment.toml')) {
    const result = validator.safeParse(rawOf(readFileSync(`configs/${file}`, 'utf8')));
    t.ok(result.success, file, { error: result.error?.message });
  }
  const wrong = (rest: string) =>
    validator.safeParse(rawOf(`[services.a]\nlisten = ":1"\nbackends = ["a:1"]\n${rest}`)).success;
  t.ok(wrong(''), 'the frame itself is right');
  for (const rest of [
    'listn = 1',
    'strategy = "frist"',
    'strategy = { kind = "ip-hash", prefix4 = 64 }',
    'timeouts.idle = "5"',
    'timeouts.idle = 5',
    'health.fall = 0',
    'socket.nodelay = 1',
    'connection_rate = "5"',
    '[log]\nlevel = "loud"',
    '[services."a b"]\nlisten = "1"\nbackends = ["a:1"]',
  ]) {
    t.notOk(wrong(rest), rest);
  }
});

t.test('all-options.toml has every key, at its default', async t => {
  const text = readFileSync('configs/all-options.toml', 'utf8');
  const keys = (of: JsonSchema): string[] => {
    const own = Object.entries(of.properties ?? {});
    const inner = [
      ...own.map(([, s]) => s),
      ...(typeof of.additionalProperties === 'object' ? [of.additionalProperties] : []),
    ];
    return [...own.map(([key]) => key), ...inner.flatMap(keys)];
  };
  const all = keys(configJsonSchema());
  t.ok(all.length > 60);
  for (const key of all.filter(k => !['groups', 'services', 'log', 'admin', 'runtime'].includes(k))) {
    t.ok(new RegExp(`^(# )?${key} =|^\\[.*\\.${key}\\]`, 'm').test(text), key);
  }
  const { services, ...globals } = loadConfigFile('configs/all-options.toml', env).config;
  const { services: _, ...standard } = CONFIG_DEFAULTS.tcp;
  t.strictSame(globals, standard);
  for (const service of Object.values(services)) {
    const { name, listen, backends, ...settings } = service;
    const {
      name: _n,
      listen: _l,
      backends: _b,
      ...defaults
    } = CONFIG_DEFAULTS[service.protocol].services.main!;
    t.strictSame(settings, defaults, name);
  }
});

t.test('every key has a description', async t => {
  const check = (of: JsonSchema, path: string) => {
    for (const [key, s] of Object.entries(of.properties ?? {})) {
      t.ok(typeof s.description === 'string' && s.description.length > 8, `${path}${key}`);
      check(s, `${path}${key}.`);
    }
    if (typeof of.additionalProperties === 'object') check(of.additionalProperties, `${path}*.`);
  };
  check(configJsonSchema(), '');
});

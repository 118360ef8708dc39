import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { folder } from '../fixtures/program.js';
import { lb4 } from './lb4.js';

t.test('check: a good file', async t => {
  const file = join(folder(t), 'lb4.toml');
  writeFileSync(file, '[services.a]\nlisten = "127.0.0.1:1"\nbackends = ["127.0.0.1:2"]\n');
  t.same(await lb4(['check', file]), {
    code: 0,
    stdout: `${file}: ok, 1 service, no warnings\n`,
    stderr: '',
  });
});

t.test('check: warnings, exit 0', async t => {
  const file = join(folder(t), 'lb4.toml');
  writeFileSync(
    file,
    `[services.a]
listen = "127.0.0.1:1"
backends = ["127.0.0.1:2"]
[services.a.timeouts]
idle = "30s"
[services.a.health]
kind = "none"
`,
  );
  const { code, stdout, stderr } = await lb4(['check', file]);
  t.same({ code, stderr }, { code: 0, stderr: '' });
  const lines = stdout.trimEnd().split('\n');
  t.match(lines[0], /lb4\.toml:5:\d+ services\.a\.timeouts\.idle: .*\(warning\)$/);
  t.match(lines[1], /lb4\.toml:7:\d+ services\.a\.health\.kind: .*\(warning\)$/);
  t.equal(lines[2], `${file}: ok, 1 service, 2 warnings`);
});

t.test('check: every error at once with its place, exit 2', async t => {
  const file = join(folder(t), 'lb4.toml');
  writeFileSync(
    file,
    `nam = "x"
[services.a]
listen = "127.0.0.1:99999"
strategy = "roundrobin"
backends = ["127.0.0.1:2 wieght=2"]
[services.a.timeouts]
conect = "5s"
idle = 5
`,
  );
  const { code, stdout, stderr } = await lb4(['check', file]);
  t.same({ code, stdout }, { code: 2, stdout: '' });
  const lines = stderr.trimEnd().split('\n');
  for (const [place, words] of [
    ['1:1 nam', 'did you mean "name"'],
    ['3:10 services.a.listen', 'expected'],
    ['4:12 services.a.strategy', 'got "roundrobin" (did you mean "round-robin"?)'],
    ['5:13 services.a.backends', 'did you mean "weight"'],
    ['7:1 services.a.timeouts.conect', 'did you mean "connect"'],
    ['8:8 services.a.timeouts.idle', 'expected a duration'],
  ] as const) {
    const line = lines.find(one => one.startsWith(`${file}:${place}`));
    t.match(line, words, place);
  }
  t.equal(lines.length, 6, stderr);
  const run = await lb4(['-c', file]);
  t.same(run, { code: 2, stdout: '', stderr }, 'run says the same');
});

t.test('check: a syntax error', async t => {
  const file = join(folder(t), 'lb4.toml');
  writeFileSync(file, '[services.a]\nlisten = \n');
  const { code, stderr } = await lb4(['check', file]);
  t.equal(code, 2);
  t.match(stderr, /^\S+lb4\.toml:2:\d+: [^\n]+\n$/);
});

t.test("check: a user's strategy that cannot be loaded", async t => {
  const file = join(folder(t), 'lb4.toml');
  writeFileSync(
    file,
    '[services.a]\nlisten = "127.0.0.1:1"\nstrategy = "./mine.mjs"\nbackends = ["127.0.0.1:2"]\n',
  );
  const { code, stderr } = await lb4(['check', file]);
  t.equal(code, 2);
  t.match(stderr, /^[^\n]*mine\.mjs[^\n]*\n$/);
  t.notMatch(stderr, / at /);
});

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type Ended, lb4 } from '../cli/lb4.js';
import { backend, echo, freePort } from '../fixtures/backends.js';
import { ENGINE } from '../fixtures/balancer.js';
import { operated, operatedConfig } from '../fixtures/operated.js';
import { folder, Program, writeConfig } from '../fixtures/program.js';
import { until } from '../fixtures/until.js';

const fine = (stdout: string): Ended => ({ code: 0, stdout, stderr: '' });

t.test('add and remove', async t => {
  const [a, b] = [await backend(t, echo), await backend(t, echo)];
  const { run, connected } = await operated(t, { strategy: 'first', backends: [a.address] });
  const added = await run(`add main ${b.address} --as second --weight 3`);
  t.match(added, { code: 0, stdout: /^main\/second: added, (checking|up), weight 3\n$/, stderr: '' });
  t.match((await run('status')).stdout, /^ {2}second .*\n {4}changed while running: added$/m);
  t.match(await run(`add main ${b.address} --as second`), { code: 1, stderr: /^lb4: [^\n]*second[^\n]*\n$/ });
  t.match(await run('add main nonsense:x'), { code: 2, stderr: /^[^\n]*expected [^\n]*nonsense:x[^\n]*\n$/ });
  const open = await connected();
  t.same(await run(`remove ${a.address}`), fine(`main/${a.address}: removed, 1 connection may finish\n`));
  await connected();
  t.equal(b.open, 1, 'the one that was added');
  t.match((await run('status')).stdout, `  removed while running: ${a.address}\n`);
  t.match(await run(`close main/${a.address} --rate 0`), {
    stdout: `main/${a.address}: closing 1 connection\n`,
  });
  await open.end();
  const unknown = await run('remove main/secnd');
  t.match(unknown, { code: 1, stderr: /^lb4: no backend "secnd" .*\(did you mean "second"\?\)\n$/ });
});

t.test('connections are listed, closed and rebalanced', async t => {
  const [a, b] = [await backend(t, echo), await backend(t, echo)];
  const { run, connected } = await operated(t, { backends: [{ address: a.address, name: 'a' }] });
  const open = [];
  for (let i = 0; i < 4; i++) open.push(await connected(1500));
  const list = await run('connections main --limit 3');
  t.match(list, { code: 0, stderr: '' });
  const lines = list.stdout.trimEnd().split('\n');
  t.match(lines[0], /^CLIENT +BACKEND +AGE +IDLE +IN +OUT$/);
  for (const line of lines.slice(1, 4)) t.match(line, /^127\.0\.0\.1:\d+ +a +\d+s +\d+s +1\.5 kB +1\.5 kB$/);
  t.equal(lines[4], '3 of 4 shown; --limit N for more');
  const json = JSON.parse((await run('connections main/a --json')).stdout);
  t.match(json, { total: 4, connections: [{ backend: 'a', bytes_in: 1500 }] });

  await run(`add main ${b.address} --as b`);
  t.same(await run('rebalance main --rate 100/s'), fine('main: closing 2 connections at 100/s, in 1s\n'));
  await until('half of them closed', () => a.open === 2);
  t.match(await run('close main/a --rate 600/m'), fine('main/a: closing 2 connections at 600/m, in 1s\n'));
  await until('all closed', () => a.open === 0);
  t.same(await run('connections main'), fine('0 open\n'));
  t.same(await run('rebalance main'), fine('main: level already, nothing is closed\n'));
  t.ok(open.every(peer => peer.closed || peer.ending));
});

t.test('reload prints what changed; a file that does not hold is refused with every error', async t => {
  const [a, b] = [await backend(t, echo), await backend(t, echo)];
  const { file, run, admin, connected } = await operated(t, { backends: [a.address] });
  await connected();
  writeConfig(file, operatedConfig(admin, { backends: [a.address, b.address] }));
  const { code, stdout } = await run('reload');
  t.equal(code, 0);
  t.match(stdout, b.address);
  t.match(stdout, /^reloaded, 1 connection kept$/m);
  writeFileSync(file, 'nam = "x"\n[services.main]\nlisten = "127.0.0.1:0"\nbackend = ["x"]\n');
  const refused = await run('reload');
  t.same({ code: refused.code, stdout: refused.stdout }, { code: 2, stdout: '' });
  t.match(refused.stderr, /lb4\.toml:1:1 nam: [\s\S]*\n\S*lb4\.toml:4:1 services\.main\.backend: /);
});

t.test('the default socket is found by its name', async t => {
  const a = await backend(t, echo);
  const name = `lb4-test-${process.pid}`;
  // Root's has its place in /run/lb4 all the same.
  const env = { XDG_RUNTIME_DIR: folder(t) };
  const flags = ['-l', '127.0.0.1:0', '-t', a.address, '--name', name, '--engine', ENGINE];
  const program = await new Program(t, flags, { env }).ready();
  t.match((await lb4(['status', '--name', name], env)).stdout, new RegExp(`^${name}: lb4 `));
  program.child.kill('SIGTERM');
  await program.exited();
  t.match(await lb4(['status', '--name', name], env), { code: 1, stderr: /^lb4: no instance "\S+" runs/ });
});

t.test('over TCP with a token', async t => {
  const a = await backend(t, echo);
  const dir = folder(t);
  const [file, token] = [join(dir, 'lb4.toml'), join(dir, 'token')];
  writeFileSync(token, 'a-token-of-enough-characters\n');
  const at = `127.0.0.1:${await freePort()}`;
  const input = operatedConfig(at, { backends: [a.address] });
  writeConfig(file, { ...input, admin: { listen: at, token_file: token } });
  await new Program(t, ['-c', file]).ready();
  const without = await lb4(['status', '--admin', at]);
  t.match(without, {
    code: 1,
    stderr: /^lb4: \S+ refused: .*; a token is given by --token-file or LB4_TOKEN\n$/,
  });
  t.match(await lb4(['status', '--admin', at, '--token-file', token]), { code: 0, stdout: /^test: lb4 / });
  const env = { LB4_TOKEN: 'a-token-of-enough-characters' };
  t.match(await lb4(['drain', a.address, '--admin', at], env), { code: 0, stdout: /: draining, / });
  t.match(await lb4(['status', '--admin', at], { LB4_TOKEN: 'another' }), { code: 1, stderr: /refused/ });
});

import { renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { backend, says } from '../fixtures/backends.js';
import { oneService } from '../fixtures/balancer.js';
import { ask } from '../fixtures/clients.js';
import { folder, Program, writeConfig } from '../fixtures/program.js';
import { holds, until } from '../fixtures/until.js';
import { lb4 } from './lb4.js';

/** lb4 that watches its file; `a` and `b` are what the file may point to. */
async function watching(t: Test, path = join(folder(t), 'lb4.toml'), flags = ['--watch']) {
  const [a, b] = await Promise.all(['a', 'b'].map(name => backend(t, says(name))));
  const write = (one: typeof a, to = path, runtime = {}) =>
    writeConfig(to, oneService({ backends: [one!.address] }, runtime));
  write(a);
  const lb = await new Program(t, ['-c', path, ...flags]).ready();
  const answers = (name: string) => until(name, async () => (await ask(t, lb.port())) === name);
  const reloads = () => lb.log.all.filter(({ msg }) => msg.startsWith('reload')).length;
  return { lb, path, a: a!, b: b!, write, answers, reloads };
}

t.test('a file that is written is taken; once', async t => {
  const { write, answers, reloads, a, b } = await watching(t);
  await answers('a');
  write(b);
  await answers('b');
  await until('the first', () => reloads() === 1);
  write(a);
  await answers('a');
  await until('the second', () => reloads() === 2);
  await holds('no reload without a change', () => reloads() === 2, 700);
});

t.test('a file that is replaced, removed and made again, or reached by links is taken', async t => {
  const dir = folder(t);
  const path = join(dir, 'lb4.toml');
  const { write, answers, lb, a, b } = await watching(t, path);
  write(b, join(dir, 'new'));
  renameSync(join(dir, 'new'), path);
  await answers('b');
  rmSync(path);
  t.match(await lb.log.line('reload refused: nothing was changed'), { errors: [/no such file/] });
  await answers('b');
  write(a, join(dir, 'elsewhere'));
  symlinkSync(join(dir, 'elsewhere'), path);
  await answers('a');
  write(b, join(dir, 'elsewhere'));
  await answers('b');
});

t.test('a file that does not hold changes nothing; every error is in the log', async t => {
  const { write, answers, lb, path, b } = await watching(t);
  writeFileSync(path, '[services.main]\nlisten = "x y"\nbackends = ["x y"]\nlimit = 1\n');
  const { errors } = await lb.log.line('reload refused: nothing was changed');
  t.equal((errors as string[]).length, 3);
  await answers('a');
  write(b);
  await answers('b');
});

t.test('runtime.watch begins and ends with a reload', async t => {
  const { write, answers, reloads, lb, path, a, b } = await watching(t, undefined, []);
  write(b);
  await holds('nobody looks', () => reloads() === 0, 700);
  write(b, path, { watch: true });
  process.kill(lb.pid, 'SIGHUP');
  await answers('b');
  write(a, path, { watch: false });
  await answers('a');
  await until('both', () => reloads() === 2);
  write(b, path, { watch: false });
  await holds('nobody looks any more', () => reloads() === 2, 700);
});

t.test('flags have nothing to watch', async t => {
  const { code, stderr } = await lb4(['-l', '0', '-t', '127.0.0.1:1', '--watch']);
  t.equal(code, 2);
  t.match(stderr, /expected -c FILE with --watch/);
});

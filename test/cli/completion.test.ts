import { writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import t, { type Test } from 'tap';
import { fakeAdmin } from '../fixtures/fake-admin.js';
import { CLI, folder } from '../fixtures/program.js';
import { Pty } from '../fixtures/pty.js';
import { backendStatus, instanceStatus, serviceStatus } from '../fixtures/status.js';
import { needs } from '../integration/programs.js';
import { lb4 } from './lb4.js';

const STATUS = instanceStatus([
  serviceStatus('pg', [backendStatus('10.0.0.1:5432'), backendStatus('[::1]:5432')]),
]);

/** An instance that has STATUS, and a PATH with `lb4` in front. */
async function world(t: Test): Promise<{ admin: string; bin: string; env: NodeJS.ProcessEnv }> {
  const { path } = await fakeAdmin(t, () => [200, STATUS]);
  const bin = folder(t);
  writeFileSync(join(bin, 'lb4'), `#!/bin/sh\nexec '${process.execPath}' '${CLI}' "$@"\n`, { mode: 0o755 });
  return { admin: `unix:${path}`, bin, env: { PATH: `${bin}${delimiter}${process.env.PATH}` } };
}

t.test('the script of each shell', async t => {
  for (const shell of ['bash', 'zsh']) {
    const named = await lb4(['completion', shell]);
    t.same({ code: named.code, stderr: named.stderr }, { code: 0, stderr: '' });
    t.match(named.stdout, /__complete/);
    t.equal((await lb4(['completion'], { SHELL: `/usr/bin/${shell}` })).stdout, named.stdout, '$SHELL');
  }
  const fish = await lb4(['completion', 'fish']);
  t.same(fish, {
    code: 2,
    stdout: '',
    stderr: 'lb4: completion: expected one of "bash", "zsh", got "fish"\n',
  });
});

t.test('what the scripts ask', async t => {
  const { admin } = await world(t);
  const found = await lb4(['__complete', 'drain', '--admin', admin, 'pg/']);
  t.same(found, { code: 0, stdout: 'pg/10.0.0.1:5432\npg/[::1]:5432\n', stderr: '' });
  const nobody = await lb4(['__complete', 'drain', '--admin', 'unix:/nowhere', 'pg/']);
  t.same(nobody, { code: 0, stdout: '', stderr: '' });
});

t.test('bash: commands, and ids with colons and brackets', async t => {
  const { admin, bin, env } = await world(t);
  writeFileSync(join(bin, 'rc'), 'PS1="> "; source <(lb4 completion bash)\n');
  const shell = new Pty(t, ['bash', '--rcfile', join(bin, 'rc'), '-i'], { env, columns: 200 });
  await shell.shows('prompt', /^>$/m);
  shell.type('lb4 drai\t');
  await shell.shows('command', /> lb4 drain$/m);
  shell.type(`--admin ${admin} pg/10.0.0.1:5\t`);
  await shell.shows('id with a colon', /pg\/10\.0\.0\.1:5432$/m);
  shell.type(`\u0015lb4 weight --admin ${admin} pg/[\t`);
  t.match(await shell.shows('id with brackets', /pg\/\[::1\]:5432$/m), 'lb4 weight');
});

t.test('zsh: the same', needs('zsh'), async t => {
  const { admin, bin, env } = await world(t);
  const setup = 'PS1="> "; autoload -U compinit; compinit -u -D; source <(lb4 completion zsh)\n';
  writeFileSync(join(bin, '.zshrc'), setup);
  const shell = new Pty(t, ['zsh', '-i'], { env: { ...env, ZDOTDIR: bin }, columns: 200 });
  await shell.shows('prompt', /^>$/m);
  shell.type('lb4 drai\t');
  await shell.shows('command', /> lb4 drain$/m);
  shell.type(`--admin ${admin} pg/10.0.0.1:5\t`);
  await shell.shows('id with a colon', /pg\/10\.0\.0\.1:5432$/m);
  shell.type(`\u0015lb4 weight --admin ${admin} pg/\\[\t`);
  t.match(await shell.shows('id with brackets', /pg\/\\\[::1\\\]:5432$/m), 'lb4 weight');
});

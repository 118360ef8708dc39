import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { ConfigInput } from '../../src/config/schema.js';
import { api } from '../fixtures/api.js';
import { backend, says } from '../fixtures/backends.js';
import { ENGINE, oneService } from '../fixtures/balancer.js';
import { ask } from '../fixtures/clients.js';
import { folder, Program, writeConfig } from '../fixtures/program.js';
import { until } from '../fixtures/until.js';

/** lb4 with a file, and its interface on a socket beside that. */
async function running(t: Test) {
  const dir = folder(t);
  const path = join(dir, 'lb4.toml');
  const listen = `unix:${join(dir, 'a.sock')}`;
  const [a, b] = await Promise.all(['a', 'b'].map(name => backend(t, says(name))));
  const write = (
    backends: string[],
    admin: ConfigInput['admin'] = { listen },
    more: Partial<ConfigInput> = {},
  ) => writeConfig(path, { ...oneService({ backends }), admin, ...more });
  write([a!.address]);
  const lb = await new Program(t, ['-c', path]).ready();
  return { lb, dir, path, listen, a: a!.address, b: b!.address, write, api: api(listen) };
}

t.test('POST /reload answers with what changed', async t => {
  const { lb, write, api, a, b } = await running(t);
  t.match(await api('POST', '/reload'), { status: 200, json: { changes: ['nothing changed'], kept: 0 } });
  write([b]);
  const { status, json } = await api('POST', '/reload');
  t.equal(status, 200);
  t.strictSame(json, {
    changes: [`service main: backends added ${b}; backends removed (draining) ${a}`],
    added: [],
    removed: [],
    changed: [
      {
        service: 'main',
        listeners: { added: [], removed: [] },
        backends: { added: [b], removed: [a], changed: [] },
        settings: [],
      },
    ],
    kept: 0,
  });
  t.equal(await ask(t, lb.port()), 'b', 'when the answer is there it is done');
});

t.test('a file that does not hold: 422 with every error', async t => {
  const { lb, path, api } = await running(t);
  writeFileSync(path, '[services.main]\nlisten = "x y"\nbackends = ["x y"]\nlimit = 1\n');
  const { status, json } = await api('POST', '/reload');
  t.equal(status, 422);
  t.equal(json.errors.length, 3);
  t.equal(json.error, json.errors.join('\n'));
  for (const line of json.errors) t.match(line, /lb4\.toml:[234]:\d+ services\.main\./);
  t.equal(await ask(t, lb.port()), 'a');
  const taken = await backend(t, says('x'));
  writeConfig(path, oneService({ listen: taken.address, backends: ['127.0.0.1:1'] }));
  t.match(await api('POST', '/reload'), {
    status: 422,
    json: { errors: [/cannot listen on .*already in use/] },
  });
});

t.test('reloads at the same time: one after the other, each with an answer', async t => {
  const { api, write, a, b } = await running(t);
  write([a, b]);
  const answers = await Promise.all([1, 2, 3, 4].map(() => api('POST', '/reload')));
  t.strictSame(
    answers.map(({ status }) => status),
    [200, 200, 200, 200],
  );
  const lines = answers.map(({ json }) => json.changes[0]).sort();
  t.strictSame(lines, [
    'nothing changed',
    'nothing changed',
    'nothing changed',
    `service main: backends added ${b}`,
  ]);
});

t.test('started from flags: 409', async t => {
  const path = join(folder(t), 'a.sock');
  const behind = await backend(t, says('a'));
  const flags = ['-l', '127.0.0.1:0', '-t', behind.address, '--engine', ENGINE, '--admin', `unix:${path}`];
  await new Program(t, flags).ready();
  t.match(await api(`unix:${path}`)('POST', '/reload'), {
    status: 409,
    json: { error: 'nothing to reload: this instance was started from flags' },
  });
});

t.test(
  'the interface moves with a reload, which is still answered; when it cannot, nothing changes',
  async t => {
    const { lb, dir, listen, write, api: before, a, b } = await running(t);
    const next = `unix:${join(dir, 'b.sock')}`;
    write([a], { listen: next });
    const { json } = await before('POST', '/reload');
    t.match(json.changes, ['changed: admin.listen', /^unchanged/]);
    await until('the old socket is gone', () => !existsSync(listen.slice('unix:'.length)));
    const after = api(next);
    t.equal((await after('GET', '/livez')).status, 200);
    writeFileSync(join(dir, 'file'), '');
    write([b], { listen: `unix:${join(dir, 'file')}` });
    t.match(await after('POST', '/reload'), {
      status: 422,
      json: { error: /there is a file that is no socket/ },
    });
    t.equal(await ask(t, lb.port()), 'a', 'the backends were not changed either');
    t.equal((await after('GET', '/livez')).status, 200);
    write([b], { listen: 'off' });
    t.match(await after('POST', '/reload'), { status: 200 });
    await until('no interface', () => !existsSync(join(dir, 'b.sock')));
    t.equal(await ask(t, lb.port()), 'b');
  },
);

t.test('an interface that a refused reload had opened is closed again', async t => {
  const { dir, path, api } = await running(t);
  const taken = await backend(t, says('x'));
  const other = join(dir, 'other.sock');
  writeConfig(path, {
    ...oneService({ listen: taken.address, backends: ['127.0.0.1:1'] }),
    admin: { listen: `unix:${other}` },
  });
  t.equal((await api('POST', '/reload')).status, 422);
  t.notOk(existsSync(other));
  t.equal((await api('GET', '/livez')).status, 200);
});

t.test('the socket goes at the end, and an instance with an explicit path in use does not start', async t => {
  const { lb, listen, path } = await running(t);
  const second = new Program(t, ['-c', path]);
  t.equal(await second.exited(), 1);
  t.match(
    second.stderr,
    /^lb4: admin interface: cannot listen on unix:.*a\.sock: another process listens there\n$/,
  );
  process.kill(lb.pid, 'SIGTERM');
  t.equal(await lb.exited(), 0);
  t.notOk(existsSync(listen.slice('unix:'.length)));
});

t.test('two instances of one name: the second has a socket of its own and says so', async t => {
  const name = `test-${process.pid}-${Date.now()}`;
  const behind = await backend(t, says('a'));
  const flags = ['-l', '127.0.0.1:0', '-t', behind.address, '--engine', ENGINE, '--name', name];
  const first = await new Program(t, flags).ready();
  const second = await new Program(t, flags).ready();
  const at = async (lb: Program) => String((await lb.log.line('admin interface')).listen);
  const [one, two] = [await at(first), await at(second)];
  t.ok(one.endsWith(`/${name}.sock`), one);
  t.ok(two.endsWith(`/${name}-${second.pid}.sock`), two);
  t.match(await second.log.line('another instance of this name is running'), { level: 40, listen: two });
  t.equal((await api(one)('GET', '/status')).json.pid, first.pid);
  t.equal((await api(two)('GET', '/status')).json.pid, second.pid);
  process.kill(first.pid, 'SIGKILL');
  await first.exited();
  const third = await new Program(t, flags).ready();
  t.equal(await at(third), one, 'what was killed is replaced');
});

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { ConfigInput } from '../../src/config/schema.js';
import { type Ended, lb4 } from '../cli/lb4.js';
import { backend, echo, freePort } from '../fixtures/backends.js';
import { config, ENGINE } from '../fixtures/balancer.js';
import { client } from '../fixtures/clients.js';
import { folder, Program, writeConfig } from '../fixtures/program.js';
import { until } from '../fixtures/until.js';

/** A running instance, and the commands that operate it. */
async function operated(t: Test, services: ConfigInput['services']) {
  const dir = folder(t);
  const admin = `unix:${join(dir, 'admin.sock')}`;
  const file = join(dir, 'lb4.toml');
  writeConfig(file, { ...config(services), name: 'test', admin: { listen: admin } });
  const program = await new Program(t, ['-c', file]).ready();
  const run = (line: string): Promise<Ended> => lb4([...line.split(' '), '--admin', admin]);
  return { program, file, admin, run };
}

const fine = (stdout: string): Ended => ({ code: 0, stdout, stderr: '' });

t.test('drain --wait returns when the last connection is over, ready brings it back', async t => {
  const [a, b] = [await backend(t, echo), await backend(t, echo)];
  const { program, run } = await operated(t, {
    main: { listen: '127.0.0.1:0', strategy: 'first', backends: [a.address, b.address] },
  });
  const open = client(t, program.port());
  open.socket.write('x');
  await open.reads(1);

  t.same(await run(`drain main/${a.address} --wait --timeout 300ms`), {
    code: 1,
    stdout: `main/${a.address}: draining, 1 connection open\n`,
    stderr: `lb4: main/${a.address}: still 1 connection open after 300ms\n`,
  });
  const waiting = run(`drain ${a.address} --wait`);
  const next = client(t, program.port());
  next.socket.write('yy');
  await next.reads(2);
  t.equal(b.open, 1, 'new ones go elsewhere');
  open.finish();
  t.match((await waiting).stdout, `main/${a.address}: 0 connections open\n`);

  const last = await run(`maint main/${b.address}`);
  t.same(last, {
    code: 0,
    stdout: `main/${b.address}: in maintenance, 1 connection open\n`,
    stderr: 'lb4: warning: no backend of main takes new connections now\n',
  });
  t.match(
    await run(`ready main/${a.address} --wait`),
    fine(`main/${a.address}: up, 0 connections open\nmain/${a.address}: up\n`),
  );
});

t.test('what waits ends when somebody else wants something else', async t => {
  const a = await backend(t, echo);
  const { program, run } = await operated(t, { main: { listen: '127.0.0.1:0', backends: [a.address] } });
  const open = client(t, program.port());
  open.socket.write('x');
  await open.reads(1);
  const waiting = run(`drain ${a.address} --wait`);
  await program.log.line('backend is draining');
  t.equal((await run(`ready ${a.address}`)).code, 0);
  const { code, stderr } = await waiting;
  t.equal(code, 1);
  t.match(stderr, /^lb4: main\/\S+ was changed in the meantime: up$/m);
});

t.test('weight, status, status --json', async t => {
  const a = await backend(t, echo);
  const dead = `127.0.0.1:${await freePort()}`;
  const { program, run } = await operated(t, {
    main: {
      listen: '127.0.0.1:0',
      backends: [a.address, dead],
      health: { interval: '50ms', fall: 1, timeout: '1s' },
    },
  });
  t.same(await run(`weight main/${a.address} 7`), fine(`main/${a.address}: weight 7, it was 1\n`));
  await program.log.line('backend is down');
  const { code, stdout } = await run('status');
  t.equal(code, 0);
  t.match(stdout, /^test: lb4 \S+, engine (net|epoll), \d+ threads?, pid \d+, up \d+s\n/);
  t.match(stdout, new RegExp(`^ {2}${a.address} +up +7 +0 `, 'm'));
  t.match(stdout, new RegExp(`^ {2}${dead} +down +1 .*\\n {4}probe failed: connection refused$`, 'm'));
  const json = await run('status --json');
  t.match(JSON.parse(json.stdout), { name: 'test', pid: program.pid, services: [{ name: 'main' }] });
});

t.test('reload prints what changed; a file that does not hold is refused with every error', async t => {
  const [a, b] = [await backend(t, echo), await backend(t, echo)];
  const service = { listen: '127.0.0.1:0', backends: [a.address] };
  const { file, run, admin, program } = await operated(t, { main: service });
  const open = client(t, program.port());
  open.socket.write('x');
  await open.reads(1);
  writeConfig(file, {
    ...config({ main: { ...service, backends: [a.address, b.address] } }),
    name: 'test',
    admin: { listen: admin },
  });
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
  await until('gone', async () => (await lb4(['status', '--name', name], env)).code === 1);
});

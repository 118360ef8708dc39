import t from 'tap';
import type { Ended } from '../cli/lb4.js';
import { backend, echo, freePort } from '../fixtures/backends.js';
import { operated } from '../fixtures/operated.js';

const fine = (stdout: string): Ended => ({ code: 0, stdout, stderr: '' });

t.test('drain --wait returns when the last connection is over, ready brings it back', async t => {
  const [a, b] = [await backend(t, echo), await backend(t, echo)];
  const { run, connected } = await operated(t, { strategy: 'first', backends: [a.address, b.address] });
  const open = await connected();

  t.same(await run(`drain main/${a.address} --wait --timeout 300ms`), {
    code: 1,
    stdout: `main/${a.address}: draining, 1 connection open\n`,
    stderr: `lb4: main/${a.address}: still 1 connection open after 300ms\n`,
  });
  const waiting = run(`drain ${a.address} --wait`);
  await connected();
  t.equal(b.open, 1, 'new ones go elsewhere');
  open.finish();
  t.match((await waiting).stdout, `main/${a.address}: 0 connections open\n`);

  t.same(await run(`maint main/${b.address}`), {
    code: 0,
    stdout: `main/${b.address}: in maintenance, 1 connection open\n`,
    stderr: 'lb4: warning: no backend of main takes new connections now\n',
  });
  t.same(
    await run(`ready main/${a.address} --wait`),
    fine(`main/${a.address}: up, 0 connections open\nmain/${a.address}: up\n`),
  );
});

t.test('what waits ends when somebody else wants something else', async t => {
  const a = await backend(t, echo);
  const { run, connected, program } = await operated(t, { backends: [a.address] });
  await connected();
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
    backends: [a.address, dead],
    health: { interval: '50ms', fall: 1, timeout: '1s' },
  });
  t.same(await run(`weight main/${a.address} 7`), fine(`main/${a.address}: weight 7, it was 1\n`));
  await program.log.line('backend is down');
  const { code, stdout } = await run('status');
  t.equal(code, 0);
  t.match(stdout, /^test: lb4 \S+, engine (net|epoll), \d+ threads?, pid \d+, up \d+s\n/);
  t.match(stdout, new RegExp(`^ {2}${a.address} +up +7 .*\\n {4}changed while running: weight 7$`, 'm'));
  t.match(stdout, new RegExp(`^ {2}${dead} +down +1 .*\\n {4}probe failed: connection refused$`, 'm'));
  const json = await run('status --json');
  t.match(JSON.parse(json.stdout), { name: 'test', pid: program.pid, services: [{ name: 'main' }] });
});

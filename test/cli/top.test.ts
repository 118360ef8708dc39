import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Snapshot } from '../../src/control/snapshot.js';
import { backend, echo, freePort } from '../fixtures/backends.js';
import { config } from '../fixtures/balancer.js';
import { client } from '../fixtures/clients.js';
import { fakeAdmin } from '../fixtures/fake-admin.js';
import { CLI, folder, Program, startProgram, writeConfig } from '../fixtures/program.js';
import { Pty } from '../fixtures/pty.js';
import { backendStatus, instanceStatus, serviceStatus } from '../fixtures/status.js';
import { until } from '../fixtures/until.js';
import { lb4 } from './lb4.js';

const top = (admin: string): string[] => [process.execPath, CLI, 'top', '--admin', admin];

/** lb4 top in front of an instance that always shows the same. */
async function watching(t: Test, status: Snapshot): Promise<Pty> {
  const { path } = await fakeAdmin(t, ({ method }) =>
    method === 'GET' ? [200, status] : [404, { error: 'no' }],
  );
  const pty = new Pty(t, top(`unix:${path}`));
  await pty.shows('the first screen', /q quit$/);
  return pty;
}

const STATUS = instanceStatus([serviceStatus('pg', [backendStatus('a'), backendStatus('b')])]);

/** The terminal is as a shell wants it: main screen, cursor, echo, lines. */
function restored(t: Test, pty: Pty): void {
  t.notOk(pty.screen.isAlternate, 'main screen');
  t.ok(pty.screen.isCursorShown, 'cursor');
  t.ok(pty.output.includes('\u001b[?7h'), 'wraps again');
}

t.test('shows a real instance live; drains and readies by key', async t => {
  const a = await backend(t, echo);
  const dead = `127.0.0.1:${await freePort()}`;
  const admin = `unix:${join(folder(t), 'admin.sock')}`;
  const program = await startProgram(t, {
    ...config({
      main: {
        listen: '127.0.0.1:0',
        backends: [a.address, dead],
        health: { interval: '50ms', fall: 1, timeout: '1s' },
      },
    }),
    admin: { listen: admin },
  });
  const pty = new Pty(t, top(admin));
  await pty.shows('the first screen', /q quit$/);
  t.ok(pty.screen.isAlternate);
  t.notOk(pty.screen.isCursorShown);
  const open = client(t, program.port());
  open.socket.write('x'.repeat(5000));
  await open.reads(5000);
  await pty.shows('the connection', new RegExp(`^> +${a.address} +up +1 +`, 'm'));
  await pty.shows('a rate that has gone down again', /, 0 new\/s, in 0 B\/s/);
  pty.type('j');
  await pty.shows('why it is down', new RegExp(`main/${dead}: probe failed: connection refused`));
  pty.type('kd');
  await pty.shows('the question', /^drain main\/\S+\? y\/n \(the last usable one/m);
  pty.type('y');
  await pty.shows('the state', new RegExp(`^> +${a.address} +draining +1 `, 'm'));
  await pty.shows('what came of it', new RegExp(`^main/${a.address}: draining$`, 'm'));
  pty.type('r');
  await pty.shows('the state', new RegExp(`^> +${a.address} +up +1 `, 'm'));
  pty.type('+++');
  await pty.shows('the weight', new RegExp(`^> +${a.address} .* 4$`, 'm'));
  pty.type('q');
  t.equal(await pty.exited(), 0);
  restored(t, pty);
});

t.test('an instance that goes away is said to, and is shown again when it is back', async t => {
  const { address } = await backend(t, echo);
  const dir = folder(t);
  const admin = `unix:${join(dir, 'admin.sock')}`;
  const file = join(dir, 'lb4.toml');
  writeConfig(file, {
    ...config({ main: { listen: '127.0.0.1:0', backends: [address] } }),
    admin: { listen: admin },
  });
  const first = await new Program(t, ['-c', file]).ready();
  const pty = new Pty(t, top(admin));
  await pty.shows('the process', new RegExp(` pid ${first.pid},`));
  first.child.kill('SIGKILL');
  await pty.shows('trouble', /^cannot ask unix:\S+.*nothing listens there; trying again$/m);
  const second = await new Program(t, ['-c', file]).ready();
  const text = await pty.shows('the process', new RegExp(` pid ${second.pid},`));
  t.notMatch(text, 'cannot ask');
  t.match(text, address);
});

t.test('the terminal is restored however it ends', async t => {
  const ends: readonly (readonly [string, number, (pty: Pty) => void])[] = [
    ['q', 0, pty => pty.type('q')],
    ['Ctrl-C', 0, pty => pty.type('\u0003')],
    ['Ctrl-D', 0, pty => pty.type('\u0004')],
    ['SIGTERM', 143, pty => process.kill(pty.pid, 'SIGTERM')],
    ['SIGINT', 130, pty => process.kill(pty.pid, 'SIGINT')],
    ['SIGHUP', 129, pty => process.kill(pty.pid, 'SIGHUP')],
  ];
  for (const [name, code, end] of ends) {
    const pty = await watching(t, STATUS);
    end(pty);
    t.equal(await pty.exited(), code, name);
    restored(t, pty);
  }
});

t.test('a terminal that is gone ends it, without a crash', async t => {
  const { path } = await fakeAdmin(t, () => [200, STATUS]);
  const said = join(folder(t), 'said');
  const command = `trap : HUP; ${top(`unix:${path}`).join(' ')} 2> ${said}; echo $? >> ${said}`;
  const pty = new Pty(t, ['sh', '-c', command]);
  await pty.shows('the first screen', /q quit$/);
  pty.hangUp();
  const text = () => readFileSync(said, 'utf8');
  await until('its end', () => /\d\n$/.test(text()));
  t.match(text(), /^(Hangup\n)?129\n$/, 'as SIGHUP ends a program; some shells say so');
});

t.test('a crash restores the terminal before it is printed', async t => {
  // No lb4 answers so: a backend without figures.
  const odd = { name: 'x', services: [{ name: 'x', backends: [{ id: 'a', state: 'up' }] }] };
  let answers = 0;
  const { path } = await fakeAdmin(t, () => [200, answers++ === 0 ? STATUS : odd]);
  const pty = new Pty(t, top(`unix:${path}`));
  t.equal(await pty.exited(), 1);
  restored(t, pty);
  t.match(pty.output.slice(pty.output.lastIndexOf('\u001b[?1049l')), /TypeError/);
});

t.test('Ctrl-Z leaves the terminal to the shell, SIGCONT takes it again', async t => {
  const pty = await watching(t, STATUS);
  pty.type('\u001a');
  await pty.stopped();
  const left = '\u001b[?1049l';
  const entered = '\u001b[?1049h';
  await pty.resume('the alternate screen again', () => {
    return pty.output.lastIndexOf(entered) > pty.output.indexOf(left) && pty.output.includes(left);
  });
  await pty.shows('everything again', /q quit$/);
  pty.type('q');
  t.equal(await pty.exited(), 0, 'keys work again');
  restored(t, pty);
});

t.test('a new size is taken at once, not with the next answer', async t => {
  const many = Array.from({ length: 50 }, (_, i) => backendStatus(`backend-${i}`));
  const status = instanceStatus([serviceStatus('pg', many)]);
  let answers = 0;
  const { path } = await fakeAdmin(t, () => (answers++ === 0 ? [200, status] : undefined));
  const pty = new Pty(t, top(`unix:${path}`));
  await pty.shows('the first screen', /q quit$/);
  t.equal(pty.screen.text.filter(line => /^[> ] +backend-/.test(line)).length, 17);
  pty.resize(40, 120);
  t.notMatch(await pty.shows('more of them', /backend-30[\s\S]*q quit$/), 'trying again');
  pty.resize(10, 30);
  await pty.shows('what there is room for', /^edge: [\s\S]*j k select[^\n]*…$/);
  t.ok(pty.screen.text.every(line => line.length <= 30));
});

t.test('a change that is refused is said', async t => {
  const pty = await watching(t, STATUS);
  pty.type('r');
  await pty.shows('the refusal', /^no$/m);
});

t.test('untrusted text moves no cursor', async t => {
  const pty = await watching(
    t,
    instanceStatus([
      serviceStatus('pg', [backendStatus('a\u001b[2Jb', { state: 'down', down_reason: 'x\u0007\r\ny' })]),
    ]),
  );
  const text = pty.screen.text.join('\n');
  t.match(text, 'a\\u001b[2Jb');
  t.match(text, 'x\\u0007\\u000d\\u000ay');
});

t.test('without a terminal: one clear line', async t => {
  t.same(await lb4(['top', '--admin', 'unix:/nowhere']), {
    code: 2,
    stdout: '',
    stderr: 'lb4: top: expected a terminal on standard input and output; lb4 status prints the same once\n',
  });
});

t.test('what is wrong at the start is said in the usual way', async t => {
  const pty = new Pty(t, top('unix:/nowhere/x.sock'));
  t.equal(await pty.exited(), 1);
  t.equal(pty.output, 'lb4: cannot ask unix:/nowhere/x.sock: there is no such socket\r\n');
});

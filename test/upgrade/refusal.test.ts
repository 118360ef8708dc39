import { writeFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { backend, echo } from '../fixtures/backends.js';
import { client } from '../fixtures/clients.js';
import type { TestPeer } from '../fixtures/peer.js';
import { until } from '../fixtures/until.js';
import { isAlive, Upgradable } from '../fixtures/upgradable.js';

const ENGINE = 'epoll';

/** One connection that must live through everything. */
class Kept {
  private expected = 0;
  private readonly peer: TestPeer;

  constructor(peer: TestPeer) {
    this.peer = peer;
  }

  async works(): Promise<void> {
    this.peer.socket.write('hello');
    this.expected += 5;
    await this.peer.reads(this.expected);
  }
}

/** The new process is at the step: a message that it is about to send, or has got. `action` is JavaScript. */
function at(step: string, action: string): string {
  return `
    const send = process.send.bind(process);
    const met = (way, message) => { if (way + ' ' + message.type === ${JSON.stringify(step)}) { ${action} } };
    process.send = (message, ...rest) => { met('send', message); return send(message, ...rest); };
    process.on('message', message => met('get', message));`;
}

async function start(t: Test): Promise<{ lb: Upgradable; kept: Kept }> {
  const { address } = await backend(t, echo);
  const lb = await Upgradable.start(t, {
    runtime: { engine: ENGINE, threads: 2 },
    services: { main: { listen: '127.0.0.1:0', backends: [address] } },
  });
  const kept = new Kept(client(t, lb.port));
  await kept.works();
  return { lb, kept };
}

const STEPS = [
  'send hello',
  'get manifest',
  'send prepared',
  'get copy',
  'send copied',
  'get final',
  'send ack',
];

/** Each takes as long as the old process waits, so not all of them: before anything is copied, while it is, and while connections stand still. */
const HANGS = ['send hello', 'get copy', 'get final'];

t.test('the new process is killed at any of its steps: the old one goes on and says why', async t => {
  const { lb, kept } = await start(t);
  for (const [i, step] of STEPS.entries()) {
    const program = lb.variant(`killed-${i}`, at(step, `process.kill(process.pid, 'SIGKILL');`));
    const { code, stderr } = await lb.run('upgrade', '--program', program);
    t.equal(code, 1, step);
    t.match(stderr, /the new process ended by SIGKILL|gone/, step);
    await kept.works();
  }
  t.equal(lb.pids.length, 1);
  const { json } = await lb.api('GET', '/status');
  t.equal(json.services[0].active, 1);
  t.equal(json.services[0].backends[0].total, 1);
  await lb.upgrade();
  await kept.works();
});

t.test('the new process hangs: it is ended in time', async t => {
  const { lb, kept } = await start(t);
  for (const [i, step] of HANGS.entries()) {
    const program = lb.variant(`hung-${i}`, at(step, `process.kill(process.pid, 'SIGSTOP');`));
    const { code, stderr } = await lb.run('upgrade', '--program', program, '--timeout', '10s');
    t.equal(code, 1, step);
    t.match(stderr, /within (2|10)s|does not take/, step);
    await kept.works();
    t.equal(lb.pids.length, 1, step);
  }
});

t.test('what cannot take over: another hand-over, a bad configuration, no program', async t => {
  const { lb, kept } = await start(t);
  const other = lb.variant('other', at('send hello', 'message.handover = 99; message.version = "9.9.9";'));
  const refused = await lb.run('upgrade', '--program', other);
  t.equal(refused.code, 1);
  t.match(
    refused.stderr,
    /version 9\.9\.9 hands over in another way \(99\) than this one \(1\): restart instead/,
  );

  const missing = await lb.run('upgrade', '--program', '/nowhere/lb4');
  t.equal(missing.code, 1);
  t.match(missing.stderr, /cannot start \/nowhere\/lb4: no such file/);

  const failing = await lb.run('upgrade', '--program', '/bin/false');
  t.equal(failing.code, 1);
  t.match(failing.stderr, /the new process ended with exit code 1/);

  const bound = await backend(t, echo);
  lb.write({
    runtime: { engine: ENGINE },
    services: {
      main: { listen: '127.0.0.1:0', backends: ['127.0.0.1:1'] },
      more: { listen: bound.address, backends: ['127.0.0.1:1'] },
    },
  });
  const taken = await lb.run('upgrade');
  t.equal(taken.code, 2);
  t.match(taken.stderr, /cannot listen on .*address already in use/);

  writeFileSync(lb.file, '[services.main]\nlisten = 1\nstrategy = "nope"\n');
  const bad = await lb.run('upgrade');
  t.equal(bad.code, 2);
  t.match(bad.stderr, /strategy/);
  t.match(bad.stderr, /backends/);
  const { status, json } = await lb.api('POST', '/upgrade', {});
  t.equal(status, 422);
  t.ok(json.errors.length >= 2, 'every fault');
  await kept.works();
  t.equal(lb.pids.length, 1);
  const line = lb.program.log.all.findLast(({ msg }) => msg === 'upgrade refused: nothing was changed');
  t.match(line, { level: 50, errors: json.errors });
});

t.test('one upgrade at a time; a signal to end calls it off, a reload waits for it', async t => {
  const { lb, kept } = await start(t);
  const slow = lb.variant('slow', at('send hello', `process.kill(process.pid, 'SIGSTOP');`));
  const first = lb.api('POST', '/upgrade', { program: slow });
  await until('a step', () => lb.program.log.all.some(({ msg }) => msg === 'upgrade'));
  const second = await lb.api('POST', '/upgrade', {});
  t.equal(second.status, 409);
  t.equal(second.json.error, 'an upgrade is under way');
  const reload = lb.api('POST', '/reload', {});
  await kept.works();
  process.kill(lb.pid, 'SIGTERM');
  const { status, json } = await first;
  t.equal(status, 502);
  t.match(json.error, /told to end \(SIGTERM\)/);
  await reload.catch(() => undefined);
  await kept.works();
  t.ok(isAlive(lb.pid), 'it drains');
});

t.test('a reload that came during an upgrade is the new process’s', async t => {
  const { lb, kept } = await start(t);
  const before = lb.pid;
  const upgrade = lb.api('POST', '/upgrade', {});
  await until('a step', () => lb.program.log.all.some(({ msg }) => msg === 'upgrade'));
  const reload = await lb.api('POST', '/reload', {});
  t.equal((await upgrade).status, 200);
  t.equal(reload.status, 200, reload.text);
  t.strictSame(reload.json.changes, ['nothing changed']);
  await lb.gone(before);
  t.match(
    lb.program.log.all.find(({ msg }) => msg === 'reloaded'),
    { pid: lb.pid },
  );
  await kept.works();
});

t.test('SIGUSR2, and several upgrades in a row', async t => {
  const { lb, kept } = await start(t);
  for (let i = 0; i < 3; i++) {
    const before = lb.pid;
    process.kill(before, 'SIGUSR2');
    await until('the next one', () => lb.pid !== before);
    await kept.works();
    await lb.gone(before);
  }
  t.equal(lb.pids.length, 4);
  process.kill(lb.pid, 'SIGTERM');
  await kept.works();
});

t.test('a new process that fails after it has taken over ends both, with an error', async t => {
  const { lb } = await start(t);
  const old = lb.pid;
  const program = lb.variant('late', at('get go', `process.kill(process.pid, 'SIGKILL');`));
  const { code } = await lb.run('upgrade', '--program', program);
  t.equal(code, 1);
  t.equal(await lb.program.exited(), 1);
  t.match(lb.program.stderr, /the new process ended by SIGKILL/);
  t.notOk(isAlive(old));
  t.ok(lb.program.log.all.some(({ msg }) => /failed after it had taken over/.test(msg)));
});

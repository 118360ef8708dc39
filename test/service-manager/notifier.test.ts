import t from 'tap';
import { Notifier } from '../../src/service-manager/notifier.js';
import { NotifySocket } from '../fixtures/notify-socket.js';
import { holds, until } from '../fixtures/until.js';

const WORKS = { alive: async () => {}, onTrouble: () => {} };

for (const abstract of [false, true]) {
  t.test(`messages arrive in order: ${abstract ? 'abstract address' : 'path'}`, async t => {
    const socket = new NotifySocket(t, abstract);
    const notifier = await Notifier.open({ NOTIFY_SOCKET: socket.path }, WORKS);
    t.teardown(() => notifier.close());
    notifier.ready('serving\n2 services');
    await t.rejects(notifier.during(Promise.reject(new Error('refused'))), /refused/);
    notifier.stopping('3 connections left');
    await socket.message(/^STOPPING=1$/);
    const [ready, reloading, again, stopping] = socket.messages;
    t.equal(ready, `READY=1\nMAINPID=${process.pid}\nSTATUS=serving 2 services\n`, 'a status is one line');
    t.match(reloading, /^RELOADING=1\nMONOTONIC_USEC=\d+\n$/);
    t.equal(again, ready, 'a refused reload is over too');
    t.equal(stopping, 'STOPPING=1\nSTATUS=3 connections left\n');
  });
}

t.test('without a service manager nothing happens', async t => {
  const notifier = await Notifier.open({ WATCHDOG_USEC: '1000' }, WORKS);
  notifier.ready('fine');
  notifier.close();
  t.pass('no error');
});

t.test('the watchdog hears of a program that answers', async t => {
  const socket = new NotifySocket(t);
  let asked = 0;
  const alive = async () => void asked++;
  const env = { NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '30000', WATCHDOG_PID: String(process.pid) };
  const notifier = await Notifier.open(env, { ...WORKS, alive });
  t.teardown(() => notifier.close());
  await socket.message(/^WATCHDOG=1$/);
  t.ok(asked > 0, 'not without asking');
});

t.test('the watchdog hears nothing of a program that hangs', async t => {
  const socket = new NotifySocket(t);
  const troubles: string[] = [];
  const env = { NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '30000' };
  const hooks = { alive: () => new Promise(() => {}), onTrouble: (reason: string) => troubles.push(reason) };
  const notifier = await Notifier.open(env, hooks);
  t.teardown(() => notifier.close());
  await until('a complaint', () => troubles.length > 0);
  notifier.stopping('');
  await socket.message(/^STOPPING=1$/);
  t.notOk(socket.messages.some(message => message.includes('WATCHDOG')));
});

t.test('a watchdog that is meant for another process is none', async t => {
  const socket = new NotifySocket(t);
  const env = { NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '3000', WATCHDOG_PID: '1' };
  let asked = 0;
  const notifier = await Notifier.open(env, { ...WORKS, alive: async () => void asked++ });
  t.teardown(() => notifier.close());
  await holds('nobody is asked', () => asked === 0, 50);
  t.equal(asked, 0);
});

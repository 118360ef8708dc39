import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { backend, echo } from '../fixtures/backends.js';
import { ENGINE } from '../fixtures/balancer.js';
import { client } from '../fixtures/clients.js';
import { NotifySocket } from '../fixtures/notify-socket.js';
import { folder, Program, writeConfig } from '../fixtures/program.js';
import { lb4 } from './lb4.js';

t.test('the service manager hears of start, reload and end, and signs of life', async t => {
  const socket = new NotifySocket(t);
  const { address } = await backend(t, echo);
  const file = join(folder(t), 'lb4.toml');
  writeConfig(file, { services: { main: { listen: '127.0.0.1:0', backends: [address] } } });
  const env = { NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '300000' };
  const program = await new Program(t, ['-c', file, '--admin', 'off', '--engine', ENGINE], { env }).ready();
  t.match(await socket.message(/^READY=1$/), `MAINPID=${program.child.pid}\n`);
  await socket.message(/^WATCHDOG=1$/);
  socket.messages.length = 0;
  program.child.kill('SIGHUP');
  await socket.message(/^MONOTONIC_USEC=\d+$/);
  await socket.message(/^READY=1$/);
  program.child.kill('SIGTERM');
  await socket.message(/^STOPPING=1$/);
  t.equal(await program.exited(), 0);
  const told = socket.messages.map(message => message.split('=')[0]).filter(word => word !== 'WATCHDOG');
  // Clients must not go on waiting at an address that is given up.
  t.strictSame(told, ['RELOADING', 'READY', 'FDSTOREREMOVE', 'STOPPING']);
});

const isRoot = process.getuid?.() === 0;

t.test(
  '--user: another user in every thread, once the addresses are bound',
  { skip: !isRoot && 'only root can' },
  async t => {
    const { address } = await backend(t, echo);
    const args = ['-l', '127.0.0.1:0', '-t', address, '--admin', 'off', '--engine', ENGINE];
    const program = await new Program(t, [...args, '--user', 'nobody']).ready();
    const tasks = `/proc/${program.child.pid}/task`;
    const ids = readdirSync(tasks).map(task => {
      const status = readFileSync(`${tasks}/${task}/status`, 'utf8');
      return ['Uid', 'Gid', 'Groups'].map(name =>
        new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)![1]!.trim(),
      );
    });
    t.ok(ids.length > 1);
    for (const [user, group, groups] of ids) {
      t.equal(user, '65534\t65534\t65534\t65534');
      t.equal(group, '65534\t65534\t65534\t65534');
      t.equal(groups, '65534', 'none of the groups of root');
    }
    const open = client(t, program.port());
    open.socket.write('hello');
    await open.reads(5);
  },
);

t.test('--user: nobody of that name', { skip: !isRoot && 'only root can' }, async t => {
  const args = ['-l', '127.0.0.1:0', '-t', '127.0.0.1:9', '--admin', 'off', '--engine', ENGINE];
  const { code, stderr } = await lb4([...args, '--user', 'no-such-user']);
  t.equal(code, 1);
  t.match(stderr, /^lb4: user no-such-user: .*no such user\n$/i);
});

t.test('--user: not a name', async t => {
  const { code, stderr } = await lb4(['-l', '127.0.0.1:0', '-t', '127.0.0.1:9', '--user', 'a b']);
  t.equal(code, 2);
  t.equal(stderr, '--user: expected "USER" or "USER:GROUP", got "a b"\n');
});

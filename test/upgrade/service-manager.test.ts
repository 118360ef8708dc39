import { closeSync, fstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { DescriptorStore, divideSockets } from '../../src/service-manager/descriptor-store.js';
import { backend, echo, freePort } from '../fixtures/backends.js';
import { ask, client } from '../fixtures/clients.js';
import { NotifySocket } from '../fixtures/notify-socket.js';
import { folder, Program, START_MS, writeConfig } from '../fixtures/program.js';
import { until } from '../fixtures/until.js';
import { Upgradable } from '../fixtures/upgradable.js';
import { needs } from '../integration/programs.js';

const runtime = { engine: 'epoll', threads: 2 } as const;

t.test('the service manager follows to the new process, and keeps the listeners', async t => {
  const socket = new NotifySocket(t);
  const { address } = await backend(t, echo);
  const services = { main: { listen: '127.0.0.1:0', backends: [address] } };
  const env = { NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '3000000' };
  const lb = await Upgradable.start(t, { runtime, services }, { env });
  await socket.message(/^READY=1$/);
  const name = `lb4.${encodeURIComponent('main tcp 127.0.0.1:0')}`;
  await socket.message(new RegExp(`^FDNAME=${name}$`));
  socket.messages.length = 0;
  // Read at once: such a socket holds few messages.
  const led = socket.message(/^READY=1$/);
  await lb.upgrade();
  t.match(await led, `MAINPID=${lb.pid}\n`);
  await socket.message(new RegExp(`^MAINPID=${lb.pid}$`));
  await socket.message(/^WATCHDOG=1$/);
  const words = socket.messages.map(message => message.split('\n', 1)[0]!.replace(/=.*/, ''));
  const order = words.filter(word => ['RELOADING', 'MAINPID', 'READY'].includes(word));
  t.strictSame(order.slice(0, 3), ['RELOADING', 'MAINPID', 'READY']);
  t.notOk(words.includes('FDSTOREREMOVE'), 'the listeners are still there');

  // A listener that goes must not be kept: clients would wait there for ever.
  lb.write({ runtime, services: { other: { listen: '127.0.0.1:0', backends: [address] } } });
  t.equal((await lb.api('POST', '/reload', {})).status, 200);
  t.equal(await socket.message(/^FDSTOREREMOVE=1$/), `FDSTOREREMOVE=1\nFDNAME=${name}\n`);
  await socket.message(/^FDNAME=lb4.other/);
  process.kill(lb.pid, 'SIGTERM');
  await until('the rest', () => socket.message(/^FDNAME=lb4.other/));
});

for (const engine of ['epoll', 'net']) {
  t.test(
    `${engine}: what the service manager kept is listened on again; what nobody wants is closed`,
    needs('systemd-socket-activate'),
    async t => {
      const { address } = await backend(t, echo);
      const [port, other] = [await freePort(), await freePort()];
      const path = join(folder(t), 'lb4.toml');
      writeConfig(path, { services: { main: { listen: `127.0.0.1:${port}`, backends: [address] } } });
      const names = [port, other].map(one => `lb4.${encodeURIComponent(`tcp 127.0.0.1:${one}`)}`).join(':');
      const sockets = `-l 127.0.0.1:${port} -l 127.0.0.1:${other} --fdname=${names}`;
      const shell = `exec systemd-socket-activate ${sockets} "$0" "$@";`;
      const words = ['-c', path, '--admin', 'off', '--engine', engine, '--threads', '2'];
      const program = new Program(t, words, { shell });
      const first = await until('somebody listens', async () => {
        const peer = client(t, port);
        peer.socket.write('hello');
        // The program starts only now.
        await until('an answer or an end', () => peer.closed || peer.received === 5, START_MS);
        return peer.received === 5 && peer;
      }).catch(error => {
        throw new Error(`${(error as Error).message}\n${JSON.stringify(program.log.all)}\n${program.stderr}`);
      });
      await program.ready();
      t.equal(first.text, 'hello');
      t.equal(await ask(t, port, 'again'), 'again');
      const lost = client(t, other);
      await until('nobody listens there', () => lost.closed);
      t.equal(lost.received, 0);
    },
  );
}

t.test(
  'what the store drops is closed by whoever has it, once: its number may be a connection by now',
  async t => {
    const told: string[] = [];
    const store = new DescriptorStore({ store: () => {}, unstore: name => told.push(name) });
    const fd = openSync('/dev/null', 'r');
    t.teardown(() => closeSync(fd));
    const address = { kind: 'ip', host: '127.0.0.1', port: 1 } as const;
    store.drop([{ key: 'tcp 127.0.0.1:1', fds: [fd], protocol: 'tcp', address, owned: true }]);
    t.strictSame(told, [`lb4.${encodeURIComponent('tcp 127.0.0.1:1')}`]);
    t.ok(fstatSync(fd).isCharacterDevice(), 'still open');
  },
);

t.test('several sockets of an address are one listener, one a thread', async t => {
  const name = `lb4.${encodeURIComponent('tcp 127.0.0.1:5432')}`;
  const at = { protocol: 'tcp', address: { kind: 'ip', host: '127.0.0.1', port: 5432 } } as const;
  const { stored, opened } = divideSockets([
    { fd: 3, name, ...at },
    { fd: 4, name: 'pg', ...at },
    { fd: 5, name, ...at },
    { fd: 6, name: 'lb4.%', ...at },
  ]);
  t.match(stored, [{ key: 'tcp 127.0.0.1:5432', fds: [3, 5] }]);
  t.strictSame(
    opened.map(({ fd }) => fd),
    [4, 6],
    'what others named is theirs',
  );
});

t.test('the store has what listens and no socket unit has, each once', async t => {
  const told: string[] = [];
  const store = new DescriptorStore({
    store: (name, fds) => told.push(`+ ${name} ${fds}`),
    unstore: name => told.push(`- ${name}`),
  });
  const at = { protocol: 'tcp', address: { kind: 'ip', host: '127.0.0.1', port: 1 }, owned: true } as const;
  const passed = [{ fd: 9, name: 'pg', protocol: 'tcp', address: at.address } as const];
  store.keep(
    [
      { key: 'a', fds: [3, 4], ...at },
      { key: 'b', fds: [9], ...at },
    ],
    passed,
  );
  store.keep(
    [
      { key: 'a', fds: [3, 4], ...at },
      { key: 'c', fds: [5], ...at },
    ],
    passed,
  );
  store.keep(
    [
      { key: 'x'.repeat(300), fds: [6], ...at },
      { key: 'c', fds: [5], ...at },
    ],
    passed,
  );
  store.clear();
  t.strictSame(told, ['+ lb4.a 3,4', '+ lb4.c 5', '- lb4.a', '- lb4.c']);
});

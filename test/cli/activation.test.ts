import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { ConfigInput } from '../../src/config/schema.js';
import { backend, echo, freePort } from '../fixtures/backends.js';
import { ENGINE } from '../fixtures/balancer.js';
import { ask, client, type Target } from '../fixtures/clients.js';
import type { TestPeer } from '../fixtures/peer.js';
import { folder, Program, writeConfig } from '../fixtures/program.js';
import { askUntilAnswered, echoes, udpBackend, udpPeer } from '../fixtures/udp.js';
import { until } from '../fixtures/until.js';
import { needs } from '../integration/programs.js';

const options = needs('systemd-socket-activate');

/** lb4 as systemd starts it: `sockets` are open already, and it begins with the first client. */
function activated(t: Test, sockets: string, services: ConfigInput['services']): Program {
  const path = join(folder(t), 'lb4.toml');
  writeConfig(path, { services });
  const shell = `exec systemd-socket-activate ${sockets} "$0" "$@";`;
  return new Program(t, ['-c', path, '--admin', 'off', '--engine', ENGINE], { shell });
}

/** The first client that gets through, which is the one that lb4 is started for. */
async function firstClient(t: Test, target: Target): Promise<TestPeer> {
  return await until('somebody listens', async () => {
    const peer = client(t, target);
    const connected = once(peer.socket, 'connect').then(
      () => true,
      () => false,
    );
    return (await connected) && peer;
  });
}

for (const form of ['its address', 'its port', 'its name'] as const) {
  t.test(`a passed TCP socket that the file names by ${form}`, options, async t => {
    const { address } = await backend(t, echo);
    const port = await freePort();
    const listen = { 'its address': `127.0.0.1:${port}`, 'its port': `:${port}`, 'its name': 'fd:pg' }[form];
    const host = form === 'its port' ? '0.0.0.0' : '127.0.0.1';
    const sockets = `-l ${host}:${port} --fdname=pg`;
    const program = activated(t, sockets, { main: { listen, backends: [address] } });
    const first = await firstClient(t, port);
    first.socket.write('hello');
    await first.reads(5);
    await program.ready();
    t.equal(program.port(), port);
    t.equal(await ask(t, port, 'again'), 'again');
    program.child.kill('SIGHUP');
    t.match(await program.log.line('reloaded'), { changes: ['nothing changed'] });
    t.equal(await ask(t, port, 'after a reload'), 'after a reload');
  });
}

t.test('a unix socket stays, as it belongs to who opened it', options, async t => {
  const { address } = await backend(t, echo);
  const path = join(folder(t), 'front');
  const program = activated(t, `-l ${path}`, { main: { listen: `unix:${path}`, backends: [address] } });
  const first = await firstClient(t, { path });
  await program.ready();
  first.socket.destroy();
  t.equal(await ask(t, { path }, 'hello'), 'hello');
  program.child.kill('SIGTERM');
  t.equal(await program.exited(), 0);
  t.ok(existsSync(path));
});

t.test('a UDP socket; and one that nobody wants is named', options, async t => {
  const echoing = await udpBackend(t, echoes);
  const [port, other] = [await freePort(), await freePort()];
  const sockets = `-d -l 127.0.0.1:${port} -l 127.0.0.1:${other} --fdname=dns:more`;
  const program = activated(t, sockets, {
    main: { protocol: 'udp', listen: 'fd:dns', backends: [`127.0.0.1:${echoing.port}`] },
  });
  t.equal(await askUntilAnswered(await udpPeer(t), 'hello', port), 'hello');
  await program.ready();
  t.match(await program.log.line('a passed socket is not used by any service'), {
    socket: `more (udp 127.0.0.1:${other})`,
  });
});

t.test('a name that was not passed is one clear error', options, async t => {
  const port = await freePort();
  const program = activated(t, `-l 127.0.0.1:${port} --fdname=pg`, {
    main: { listen: 'fd:gp', backends: ['127.0.0.1:9'] },
  });
  await firstClient(t, port);
  t.equal(await program.exited(), 1);
  t.match(
    program.stderr,
    `lb4: cannot listen on tcp fd:gp: expected a passed socket of that name, got pg (tcp 127.0.0.1:${port})\n`,
  );
});

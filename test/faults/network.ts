import { writeFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { backend, echo, named } from '../fixtures/backends.js';
import { ask, client } from '../fixtures/clients.js';
import { Lab } from '../fixtures/lab.js';
import { run } from '../fixtures/own-network.js';
import { until } from '../fixtures/until.js';
import { needs } from '../integration/programs.js';

/** Drop every packet to a port of this network. */
function drop(t: Test, port: number): () => void {
  run('nft', `add table inet drop${port}`);
  run('nft', `add chain inet drop${port} in { type filter hook input priority 0; }`);
  run('nft', `add rule inet drop${port} in tcp dport ${port} drop`);
  let isOn = true;
  const lift = () => {
    if (isOn) run('nft', `delete table inet drop${port}`);
    isOn = false;
  };
  t.teardown(lift);
  return lift;
}

t.test(
  'a firewall drops what goes to a backend: others are tried, and it is used again',
  needs('nft'),
  async t => {
    const hidden = await backend(t, named('hidden'));
    const good = await backend(t, named('good'));
    const lift = drop(t, hidden.port);
    const services = {
      main: {
        listen: '127.0.0.1:0',
        backends: [hidden.address, good.address],
        strategy: 'first' as const,
        health: { kind: 'tcp' as const, interval: '100ms', timeout: '300ms' },
        timeouts: { connect: '250ms' },
      },
      alone: {
        listen: '127.0.0.1:0',
        backends: [hidden.address],
        health: { kind: 'none' as const, passive_failures: 0 },
        timeouts: { connect: '250ms' },
      },
    };
    const lab = await Lab.start(t, services);
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(t, lab.port('main'), '!')));
    t.ok(
      answers.every(answer => answer === 'good!'),
      answers.join(' '),
    );
    t.equal(await ask(t, lab.port('alone'), '!'), '', 'nobody else is there');
    const lines = await lab.log.finished(21);
    t.match(
      lines.find(({ service }) => service === 'alone'),
      {
        reason: 'connect_timeout',
        attempts: 1,
      },
    );
    await until('it is down', async () => (await lab.status()).services[0]!.backends[0]!.state === 'down');
    lift();
    await until('it is up', async () => (await lab.status()).services[0]!.backends[0]!.state === 'up');
    t.equal(await ask(t, lab.port('main'), '!'), 'hidden!');
    await lab.audit(t, 22);
  },
);

t.test('packets of open connections are dropped for a while: they go on', needs('nft'), async t => {
  const server = await backend(t, echo);
  const services = {
    main: { listen: '127.0.0.1:0', backends: [server.address], health: { kind: 'none' as const } },
  };
  const lab = await Lab.start(t, services);
  const peers = Array.from({ length: 10 }, () => client(t, lab.port()));
  for (const peer of peers) {
    await peer.write('1');
    await peer.reads(1);
  }
  const lift = drop(t, server.port);
  for (const peer of peers) await peer.write('2');
  lift();
  for (const peer of peers) await peer.reads(2);
  t.ok(peers.every(({ text }) => text === '12'));
  for (const peer of peers) peer.finish();
  await lab.audit(t, 10);
});

t.test('ports run out: those who are connected do not notice, others wait and are served', async t => {
  const PORTS = 20;
  const server = await backend(t, echo);
  // Two addresses, outside of the range, as clients have no more ports for each than lb4 has.
  const services = {
    main: {
      listen: ['127.0.0.1:20001', '127.0.0.1:20002'],
      backends: [server.address],
      health: { kind: 'none' as const },
      timeouts: { connect: '20s' },
    },
  };
  const lab = await Lab.start(t, services);
  writeFileSync('/proc/sys/net/ipv4/ip_local_port_range', `30000 ${30000 + PORTS - 1}`);
  t.teardown(() => writeFileSync('/proc/sys/net/ipv4/ip_local_port_range', '32768 60999'));
  const held = Array.from({ length: PORTS }, () => client(t, 20_001));
  for (const peer of held) {
    await peer.write('x');
    await peer.reads(1);
  }
  const waiting = Array.from({ length: 5 }, () => client(t, 20_002));
  for (const peer of waiting) await peer.write('w');
  await lab.log.line(/connecting to .*no free port/);
  t.equal((await lab.status()).services[0]!.backends[0]!.state, 'checking', 'the backend is not to blame');
  for (const peer of held) {
    await peer.write('y');
    await peer.reads(2);
  }
  t.equal(waiting.filter(({ received }) => received > 0).length, 0);
  // The backend closes first, so that its ends have TIME_WAIT and the ports are free.
  for (const { socket } of server.peers.slice(0, 5)) socket.end();
  for (const peer of held) if (peer.ending === undefined) peer.reset();
  await Promise.all(waiting.map(peer => peer.reads(1)));
  for (const peer of waiting) peer.reset();
  for (const peer of held) peer.socket.destroy();
  await lab.audit(t, PORTS + 5);
  const lines = lab.log.connections;
  t.equal(lines.filter(({ reason }) => reason === 'connect_failed').length, 0);
  const warnings = lab.log.all.filter(({ level, msg }) => level === 40 && /free port/.test(msg));
  t.ok(warnings.length >= 1 && warnings.length <= 2, `${warnings.length} warnings`);
});

import { networkInterfaces } from 'node:os';
import t from 'tap';
import { createBalancer } from '../../src/balancer.js';
import { config, oneService, startBalancer } from '../fixtures/balancer.js';
import { startProgram } from '../fixtures/program.js';
import { echoes, udpBackend, udpBackends, udpPeer, udpPeers } from '../fixtures/udp.js';
import { until } from '../fixtures/until.js';

/** This machine’s own addresses: traffic between them never leaves it. Link-local ones need a zone and are left out. */
const own = Object.values(networkInterfaces())
  .flatMap(list => list ?? [])
  .filter(({ scopeid }) => !scopeid)
  .map(({ address }) => address);

for (const listen of ['0', '0.0.0.0:0', '[::]:0']) {
  t.test(`listen = "${listen}": answers come from the address that the client wrote to`, async t => {
    const backend = await udpBackend(t, echoes);
    const lb = await startBalancer(t, oneService({ protocol: 'udp', listen, backends: [backend.address] }));
    const reachable = own.filter(
      address => listen === '0' || listen.startsWith('[') === address.includes(':'),
    );
    t.ok(reachable.length > 0);
    for (const address of reachable) {
      const client = await udpPeer(t, address.includes(':') ? '::' : '0.0.0.0');
      for (const text of ['1', '2']) {
        await client.send(text, lb.port(), address);
        const answer = await client.next();
        t.equal(answer.text, text);
        t.equal(answer.from, `${address}:${lb.port()}`);
      }
    }
    t.equal(lb.service().active, reachable.length);
  });
}

t.test('one client at two addresses of the listener: the answer follows the question', async t => {
  const backend = await udpBackend(t, echoes);
  const lb = await startBalancer(
    t,
    oneService({ protocol: 'udp', listen: '0.0.0.0:0', backends: [backend.address] }),
  );
  const [one, two] = own.filter(address => !address.includes(':'));
  if (two === undefined) {
    t.comment('this machine has one IPv4 address only');
    return;
  }
  const client = await udpPeer(t, '127.0.0.1');
  for (const address of [one!, two, one!]) {
    await client.send(address, lb.port(), address);
    t.equal((await client.next()).from, `${address}:${lb.port()}`);
  }
});

t.test('a service with two listeners: the same client is two flows', async t => {
  const backends = await udpBackends(t, 2);
  const lb = await startBalancer(
    t,
    oneService({
      protocol: 'udp',
      strategy: 'round-robin',
      listen: ['127.0.0.1:0', '127.0.0.2:0'],
      backends: backends.map(({ address }) => address),
    }),
  );
  const client = await udpPeer(t);
  const answers: string[] = [];
  for (let round = 0; round < 2; round++) {
    for (const { address } of lb.balancer.addresses) {
      const [host, port] = address.split(':');
      await client.send(String(round), Number(port), host);
      const { text, from } = await client.next();
      t.equal(from, address);
      answers.push(text);
    }
  }
  t.strictSame(answers, ['b0:0', 'b1:0', 'b0:1', 'b1:1']);
});

for (const host of ['127.0.0.1', '0.0.0.0']) {
  t.test(`a port in use on ${host} is a clear error`, async t => {
    const taken = await udpPeer(t, host);
    const backend = await udpBackend(t, echoes);
    for (const listen of host === '0.0.0.0'
      ? [`${taken.port}`, `${host}:${taken.port}`]
      : [`${host}:${taken.port}`]) {
      const balancer = createBalancer(oneService({ protocol: 'udp', listen, backends: [backend.address] }));
      await t.rejects(balancer.start(), {
        code: 'LB4_LISTEN',
        message: /^cannot listen on udp \S+: address already in use$/,
      });
    }
    t.equal((await taken.ask('', taken.port, '127.0.0.1')).length, 0, 'the other program was left alone');
  });
}

t.test('two instances cannot share an address by accident', async t => {
  const backend = await udpBackend(t, echoes);
  const first = await startBalancer(
    t,
    oneService({ protocol: 'udp', listen: '0', backends: [backend.address] }),
  );
  const second = createBalancer(
    oneService({ protocol: 'udp', listen: String(first.port()), backends: [backend.address] }),
  );
  await t.rejects(second.start(), { code: 'LB4_LISTEN' });
});

t.test('TCP and UDP on the same port', async t => {
  const backend = await udpBackend(t, echoes);
  // Another program may have the same number for UDP: then the next one.
  for (let round = 0; round < 10; round++) {
    const tcp = await startBalancer(t, oneService({ backends: ['127.0.0.1:1'] }));
    const listen = `127.0.0.1:${tcp.port()}`;
    const udp = await startBalancer(
      t,
      oneService({ protocol: 'udp', listen, backends: [backend.address] }),
    ).catch(() => undefined);
    if (udp === undefined) continue;
    const client = await udpPeer(t);
    t.equal(await client.ask('x', udp.port()), 'x');
    return;
  }
  t.fail('expected a port that is free for UDP too');
});

t.test('shutdown: flows go on until they are quiet, new ones are not taken', async t => {
  const [backend] = await udpBackends(t, 1);
  const lb = await startBalancer(
    t,
    oneService({ protocol: 'udp', backends: [backend!.address], timeouts: { idle: '600ms' } }),
  );
  const client = await udpPeer(t);
  await client.ask('before', lb.port());
  const closed = lb.balancer.close();
  t.equal(await client.ask('while draining', lb.port()), 'b0:while draining');
  const late = await udpPeer(t);
  await late.send('too late', lb.port());
  await closed;
  t.match(await lb.log.only(), { reason: 'idle_timeout', client: `127.0.0.1:${client.port}` });
  t.equal(late.received.length, 0);
  t.notOk(backend!.received.some(({ text }) => text === 'too late'));
  const again = await udpPeer(t, '127.0.0.1', lb.port());
  t.ok(again, 'the port is free');
});

t.test('shutdown: what is not quiet by the drain time is closed', async t => {
  const [backend] = await udpBackends(t, 1);
  const lb = await startBalancer(
    t,
    oneService({ protocol: 'udp', backends: [backend!.address] }, { drain_timeout: '300ms' }),
  );
  const client = await udpPeer(t);
  await client.ask('x', lb.port());
  const keep = setInterval(() => void client.send('x', lb.port()).catch(() => {}), 20);
  t.teardown(() => clearInterval(keep));
  await lb.balancer.close();
  t.match(await lb.log.only(), { reason: 'shutdown' });
});

// Node opens every module at once when it starts: with fewer descriptors than this it does not come up.
const FEW = 200;

for (const [how, runtime] of [
  ['the derived limit keeps within them', {}],
  ['a limit that is too high runs out of them', { max_connections: 10_000 }],
] as const) {
  t.test(`few descriptors, ${how}: flows that are there live on`, async t => {
    const [backend] = await udpBackends(t, 1);
    const main = {
      protocol: 'udp' as const,
      listen: '127.0.0.1:0',
      backends: [backend!.address],
      timeouts: { idle: '2s' },
      health: { kind: 'none' as const, passive_failures: 1 },
    };
    const lb = await startProgram(t, config({ main }, runtime), { shell: `ulimit -n ${FEW};` });
    const early = await udpPeer(t);
    await early.ask('x', lb.port());
    const flood = await udpPeers(t, 300);
    for (const one of flood) await one.send('flood', lb.port());
    for (let n = 0; n < 5; n++) t.equal(await early.ask(`${n}`, lb.port()), `b0:${n}`);
    t.ok(backend!.senders().size < FEW, `bounded by the descriptors: ${backend!.senders().size} flows`);
    const keep = setInterval(() => void early.send('x', lb.port()), 200);
    t.teardown(() => clearInterval(keep));
    const starved = flood.find(({ received }) => received.length === 0)!;
    await until('one of those without a place gets through', async () => {
      await starved.send('room?', lb.port());
      return starved.received.length > 0;
    });
    t.notOk(
      lb.log.all.some(({ msg }) => msg === 'backend is down'),
      'the backend is not to blame',
    );
    t.ok(lb.log.all.filter(({ level }) => level >= 40).length < 10, 'no flood of warnings');
    lb.child.kill('SIGTERM');
    clearInterval(keep);
    t.equal(await lb.exited(), 0);
  });
}

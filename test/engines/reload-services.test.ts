import t from 'tap';
import type { ConfigInput } from '../../src/config/schema.js';
import { ConfigError } from '../../src/errors.js';
import { backend, echo, freePort, named, says, sink } from '../fixtures/backends.js';
import { config, oneService, startBalancer } from '../fixtures/balancer.js';
import { ask, client } from '../fixtures/clients.js';
import { echoes, udpBackend, udpPeer } from '../fixtures/udp.js';
import { holds, until } from '../fixtures/until.js';

type Settings = Partial<ConfigInput['services'][string]>;

t.test('30 reloads under load: no connect fails, held connections live', async t => {
  const list = await Promise.all([1, 2, 3, 4].map(() => backend(t, echo)));
  const addresses = list.map(({ address }) => address);
  const port = await freePort();
  const input = (round: number) =>
    config({
      main: {
        listen: `127.0.0.1:${port}`,
        health: { kind: 'none' },
        strategy: (['round-robin', 'least-connections', 'ip-hash', 'random'] as const)[round % 4],
        backends: addresses.filter((_, i) => i !== round % 5),
        timeouts: { idle: `${1 + (round % 3)}h` },
        max_connections: 1000 + round,
      },
      [`extra${round % 3}`]: { listen: '127.0.0.1:0', backends: [addresses[0]!] },
    });
  const lb = await startBalancer(t, input(0));
  const held = Array.from({ length: 10 }, () => client(t, port));
  for (const peer of held) await peer.write('0');
  let going = true;
  let served = 0;
  const failed: string[] = [];
  const loaders = Array.from({ length: 8 }, async () => {
    while (going) {
      const answer = await ask(t, port, 'ping').catch(error => String(error));
      if (answer === 'ping') served++;
      else failed.push(answer);
    }
  });
  for (let round = 1; round <= 30; round++) {
    const before = served;
    await lb.balancer.apply(input(round));
    for (const peer of held) await peer.write('x');
    while (served < before + 5 && failed.length === 0) await new Promise(resolve => setImmediate(resolve));
  }
  going = false;
  await Promise.all(loaders);
  t.strictSame(failed, [], `${served} connections, none failed`);
  for (const peer of held) {
    await peer.reads(31);
    t.equal(peer.text, `0${'x'.repeat(30)}`);
  }
});

t.test('an address moves from one service to another: the socket stays', async t => {
  const list = await Promise.all(['a', 'b'].map(name => backend(t, named(name))));
  const [a, b] = list.map(({ address }) => address);
  const listen = `127.0.0.1:${await freePort()}`;
  const lb = await startBalancer(
    t,
    config({ one: { listen, backends: [a!] }, two: { listen: '127.0.0.1:0', backends: [b!] } }),
  );
  const port = lb.port('one');
  const held = client(t, port);
  await held.reads(1);
  await lb.balancer.apply(
    config({ one: { listen: '127.0.0.1:0', backends: [a!] }, two: { listen, backends: [b!] } }),
  );
  t.equal(lb.port('two'), port);
  t.equal(await ask(t, port, '?'), 'b?');
  t.equal(await ask(t, lb.port('one'), '?'), 'a?');
  await held.write('x');
  await held.reads(2);
  t.equal(held.text, 'ax', 'whoever was there before stays where it was');
  await lb.balancer.apply(config({ three: { listen, backends: [a!] } }));
  t.equal(await ask(t, port, '?'), 'a?', 'to a new service, the old one being gone');
});

t.test('the same for UDP', async t => {
  const [one, two] = await Promise.all(
    ['one', 'two'].map(name => udpBackend(t, (data, reply) => reply(`${name}:${data}`))),
  );
  const { port } = await udpBackend(t, echoes).then(async peer => {
    await peer.stop();
    return { port: Number(peer.address.split(':')[1]) };
  });
  const services = (first: string, second: string) =>
    config({
      [first]: {
        protocol: 'udp',
        listen: `127.0.0.1:${port}`,
        backends: [(first === 'one' ? one : two)!.address],
      },
      [second]: {
        protocol: 'udp',
        listen: '127.0.0.1:0',
        backends: [(second === 'one' ? one : two)!.address],
      },
    });
  const lb = await startBalancer(t, services('one', 'two'));
  const peer = await udpPeer(t);
  t.equal(await peer.ask('x', port), 'one:x');
  await lb.balancer.apply(services('two', 'one'));
  t.equal(await peer.ask('x', port), 'two:x');
});

t.test('a configuration that does not hold: rejected, nothing changed', async t => {
  const behind = await backend(t, echo);
  const lb = await startBalancer(t, oneService({ backends: [behind.address] }));
  const before = lb.balancer.snapshot().services;
  const wrong = oneService({ backends: ['not an address'], strategy: 'roundrobin' as 'random' });
  const error = await lb.balancer.apply(wrong).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  t.ok(error instanceof ConfigError);
  t.equal((error as ConfigError).issues.length, 2, 'every fault');
  t.strictSame(lb.balancer.snapshot().services, before);
  t.equal(await ask(t, lb.port(), 'x'), 'x');
});

t.test('an address in use, a strategy that cannot be loaded: refused as a whole', async t => {
  const list = await Promise.all(['a', 'b'].map(name => backend(t, named(name))));
  const [a, b] = list.map(({ address }) => address);
  const input = (services: ConfigInput['services'] = {}, more: Settings = {}) =>
    config({
      main: { listen: '127.0.0.1:0', health: { kind: 'none' }, backends: [a!], ...more },
      ...services,
    });
  const lb = await startBalancer(t, input());
  const held = client(t, lb.port());
  await held.reads(1);
  const lines = lb.log.all.length;
  const free = await freePort();
  const changes: Settings = { backends: [b!], strategy: 'random', deny: ['127.0.0.1'] };
  const attempts: [ConfigInput, string][] = [
    [
      input(
        {
          fresh: { listen: `127.0.0.1:${free}`, backends: [b!] },
          late: { listen: b!, backends: [a!] },
        },
        changes,
      ),
      'LB4_LISTEN',
    ],
    [input({}, { ...changes, listen: ['127.0.0.1:0', b!] }), 'LB4_LISTEN'],
    [input({}, { ...changes, strategy: { kind: './no/such/strategy.js' } as never }), 'LB4_STRATEGY'],
    [input({ late: { protocol: 'udp', listen: '192.0.2.99:5353', backends: [a!] } }, changes), 'LB4_LISTEN'],
  ];
  for (const [wrong, code] of attempts) {
    await lb.balancer.settle();
    const before = lb.balancer.snapshot().services;
    await t.rejects(lb.balancer.apply(wrong), { code });
    t.strictSame(lb.balancer.snapshot().services, before);
    t.equal(await ask(t, lb.port(), '?'), 'a?');
    await until('its end', () => lb.balancer.active === 1);
  }
  await held.write('x');
  await held.reads(2);
  t.strictSame(
    lb.log.all.slice(lines).filter(({ msg }) => msg !== 'connection'),
    [],
    'nothing happened that would be worth a line',
  );
  const refused = client(t, free);
  await refused.end();
  t.equal(refused.received, 0, 'what was opened on the way is closed again');
  await lb.balancer.apply(input({}, { backends: [b!] }));
  t.equal(await ask(t, lb.port(), '?'), 'b?', 'a good one is taken after that');
});

t.test('services come and go', async t => {
  const behind = await backend(t, echo);
  const one = { listen: '127.0.0.1:0', backends: [behind.address] };
  const lb = await startBalancer(t, config({ one }));
  const port = lb.port('one');
  const diff = await lb.balancer.apply(config({ one, two: one }));
  t.match(diff, { added: ['two'], unchanged: ['one'] });
  t.equal(lb.port('one'), port);
  t.equal(await ask(t, lb.port('two'), 'x'), 'x');
  await lb.balancer.apply(config({ two: one }));
  t.strictSame(
    lb.balancer.addresses.map(({ service }) => service),
    ['two'],
  );
  t.equal(await ask(t, lb.port('two'), 'x'), 'x');
});

t.test('a service turns from TCP to UDP and back', async t => {
  const tcp = await backend(t, echo);
  const udp = await udpBackend(t, echoes, { port: tcp.port });
  const listen = `127.0.0.1:${await freePort()}`;
  const lb = await startBalancer(t, oneService({ listen, backends: [tcp.address] }));
  const held = client(t, lb.port());
  await held.write('x');
  await held.reads(1);
  await lb.balancer.apply(oneService({ listen, protocol: 'udp', backends: [udp.address] }));
  t.equal(lb.service().protocol, 'udp');
  const peer = await udpPeer(t);
  t.equal(await peer.ask('datagram', lb.port()), 'datagram');
  t.notOk(await client(t, lb.port()).end(), 'TCP is refused');
  await held.write('y');
  await held.reads(2);
  t.equal(held.text, 'xy', 'the old connection drains');
  await lb.balancer.apply(oneService({ listen, backends: [tcp.address] }));
  t.equal(await ask(t, lb.port(), 'stream'), 'stream');
});

t.test('limits, access and timeouts of a running service', async t => {
  const behind = await backend(t, echo);
  const input = (more: Settings = {}) => oneService({ backends: [behind.address], ...more });
  const lb = await startBalancer(t, input());
  const open = async () => {
    const peer = client(t, lb.port());
    peer.socket.write('x');
    await Promise.race([peer.reads(1), peer.end()]);
    return peer.text === 'x';
  };
  t.ok(await open());
  t.ok(await open());
  await lb.balancer.apply(input({ max_connections: 2 }));
  t.notOk(await open(), 'two are open already');
  await lb.balancer.apply(input({ max_connections_per_client: 1 }));
  t.ok(await open(), 'those from before are not counted');
  t.notOk(await open());
  await lb.balancer.apply(input({ deny: ['127.0.0.0/8'] }));
  t.notOk(await open());
  await lb.balancer.apply(input({ connection_rate: '1/h' }));
  t.ok(await open());
  t.notOk(await open());
  await lb.balancer.apply(input());
  t.ok(await open());
  t.strictSame(
    lb.log.connections.map(({ reason }) => reason),
    ['limit', 'limit', 'denied', 'limit'],
  );
  const active = lb.service().active;
  await lb.balancer.apply(input({ timeouts: { idle: '300ms' } }));
  t.ok(await open(), 'the idle time is for new connections');
  t.match((await lb.log.finished(5))[4], { reason: 'idle_timeout' });
  await holds('the old ones stay', () => lb.service().active === active, 400);
});

t.test('retry, queue and PROXY headers of a running service', async t => {
  const good = await backend(t, says('good'));
  const input = (more: Settings) =>
    oneService({
      strategy: 'first',
      backends: ['127.0.0.1:1', good.address],
      ...more,
      health: { kind: 'none', passive_failures: 0 },
    });
  const lb = await startBalancer(t, input({ retry: { attempts: 1 } }));
  t.equal(await ask(t, lb.port()), '');
  await lb.balancer.apply(input({ retry: { attempts: 2 } }));
  t.equal(await ask(t, lb.port()), 'good');
  await lb.balancer.apply(
    input({ proxy_protocol: { accept: 'v1', accept_from: ['127.0.0.1'] }, backends: [good.address] }),
  );
  t.equal(await ask(t, lb.port(), 'PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n?'), 'good');
  t.equal((await lb.log.finished(3))[2]!.client, '192.0.2.7:1');
  const full = await backend(t, sink);
  await lb.balancer.apply(
    input({
      backends: [`${full.address} max_connections=1`],
      queue: { size: 1 },
      timeouts: { queue: '100ms' },
    }),
  );
  const first = client(t, lb.port());
  await first.write('x');
  await ask(t, lb.port(), 'x');
  t.equal((await lb.log.finished(4))[3]!.reason, 'queue_timeout');
});

t.test('runtime.max_connections and log.connections', async t => {
  const behind = await backend(t, echo);
  const input = (max: number, connections = true) => ({
    ...oneService({ backends: [behind.address] }, { max_connections: max }),
    log: { connections },
  });
  const lb = await startBalancer(t, input(0));
  const peers = [1, 2, 3].map(() => client(t, lb.port()));
  for (const peer of peers) {
    await peer.write('x');
    await peer.reads(1);
  }
  const diff = await lb.balancer.apply(input(3, false));
  t.strictSame([...diff.settings].sort(), ['log.connections', 'runtime.max_connections']);
  const waiting = client(t, lb.port());
  await waiting.write('me too');
  await holds('it waits', () => waiting.received === 0, 200);
  await lb.balancer.apply(input(4, false));
  await waiting.reads(6);
  const next = client(t, lb.port());
  await next.write('and me');
  await holds('it waits', () => next.received === 0, 100);
  peers[0]!.finish();
  await next.reads(6);
  for (const peer of [...peers, waiting, next]) peer.finish();
  await lb.idle();
  t.equal(lb.log.connections.length, 0, 'no lines');
  await lb.balancer.apply(input(0, true));
  await ask(t, lb.port(), 'x');
  t.equal((await lb.log.finished(1)).length, 1);
});

t.test('changes one after the other, however fast they are asked for', async t => {
  const list = await Promise.all(['a', 'b', 'c'].map(name => backend(t, named(name))));
  const lb = await startBalancer(t, oneService({ backends: [list[0]!.address] }));
  const port = lb.port();
  await Promise.all(
    Array.from({ length: 20 }, (_, n) => lb.balancer.apply(oneService({ backends: [list[n % 3]!.address] }))),
  );
  t.equal(lb.port(), port);
  t.equal(await ask(t, port, '?'), 'b?', 'the last one asked for');
  await lb.balancer.destroy();
  await t.rejects(lb.balancer.apply(oneService({ backends: ['127.0.0.1:1'] })), { code: 'LB4_CLOSED' });
});

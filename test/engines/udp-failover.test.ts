import t from 'tap';
import { config, oneService, startBalancer } from '../fixtures/balancer.js';
import { answersAs, askUntilAnswered, udpBackend, udpBackends, udpPeer, udpPeers } from '../fixtures/udp.js';
import { until } from '../fixtures/until.js';

t.test('a backend that dies: its flows move, it is marked down, the others do not notice', async t => {
  const [dying, living] = await udpBackends(t, 2);
  const lb = await startBalancer(
    t,
    oneService({
      protocol: 'udp',
      strategy: 'round-robin',
      backends: [dying!.address, living!.address],
      health: { kind: 'none', passive_failures: 3 },
    }),
  );
  const clients = await udpPeers(t, 6);
  const before: string[] = [];
  for (const client of clients) before.push((await client.ask('x', lb.port())).slice(0, 2));
  t.strictSame(before, ['b0', 'b1', 'b0', 'b1', 'b0', 'b1']);
  await dying!.stop();
  const moved = clients.filter((_, i) => i % 2 === 0);
  for (const client of moved) t.match(await askUntilAnswered(client, 'again', lb.port()), /^b1:/);
  for (const client of clients.filter((_, i) => i % 2 === 1)) {
    t.equal(await client.ask('still', lb.port()), 'b1:still');
  }
  const down = await lb.log.line('backend is down');
  t.match(down, { backend: dying!.address, reason: '3 connections failed: port unreachable' });
  t.match(lb.service().backends, [
    { state: 'down', active: 0, down_reason: '3 connections failed: port unreachable' },
    { active: 6 },
  ]);
  const late = await udpPeer(t);
  t.match(await late.ask('new', lb.port()), /^b1:/, 'a new flow does not try the dead one');
});

t.test('a flow leaves an unreachable port even where nothing marks the backend down', async t => {
  const [dying, living] = await udpBackends(t, 2);
  const lb = await startBalancer(
    t,
    oneService({
      protocol: 'udp',
      strategy: 'first',
      backends: [dying!.address, living!.address],
      health: { kind: 'none', passive_failures: 0 },
    }),
  );
  const client = await udpPeer(t);
  t.equal(await client.ask('x', lb.port()), 'b0:x');
  await dying!.stop();
  t.match(await askUntilAnswered(client, 'again', lb.port()), /^b1:/);
  t.match(lb.service().backends, [{ state: 'checking', active: 0 }, { active: 1 }]);
});

t.test('a lone backend that comes back is used again', async t => {
  const [first] = await udpBackends(t, 1);
  const lb = await startBalancer(
    t,
    oneService({
      protocol: 'udp',
      backends: [first!.address],
      health: { kind: 'none', passive_failures: 0 },
    }),
  );
  const client = await udpPeer(t);
  t.equal(await client.ask('x', lb.port()), 'b0:x');
  const { port } = first!;
  await first!.stop();
  for (let n = 0; n < 5; n++) await client.send('into the void', lb.port());
  const again = await udpBackend(t, answersAs('back'), { port });
  t.match(await askUntilAnswered(client, 'hello', lb.port()), /^back:/);
  t.ok(again.received.length > 0);
  t.equal(lb.service().backends[0]!.active, 1, 'one place for one flow, however often it was dialled');
  t.equal(lb.service().backends[0]!.state, 'checking', 'passive checks are off');
});

t.test('nobody left: flows end with backend_down, and begin again when somebody is up', async t => {
  const [only] = await udpBackends(t, 1);
  const lb = await startBalancer(
    t,
    oneService({
      protocol: 'udp',
      backends: [only!.address],
      health: {
        kind: 'exchange',
        send: 'ping',
        expect: 'ping',
        interval: '50ms',
        timeout: '500ms',
        fall: 1,
        rise: 1,
        passive_failures: 1,
      },
    }),
  );
  const client = await udpPeer(t);
  t.equal(await client.ask('x', lb.port()), 'b0:x');
  const { port } = only!;
  await only!.stop();
  await until('down', () => lb.service().backends[0]!.state === 'down');
  await client.send('anyone?', lb.port());
  t.match(await lb.log.only(), { reason: 'backend_down', backend: only!.address });
  t.match(lb.service(), { active: 0 });
  t.equal(lb.service().backends[0]!.active, 0);
  await udpBackend(t, answersAs('b0'), { port });
  t.match(await askUntilAnswered(client, 'back?', lb.port()), /^b0:/);
});

t.test('a flow leaves a backend in maintenance and stays with one that is removed no longer', async t => {
  const backends = await udpBackends(t, 2);
  const [a, b] = backends.map(({ address }) => address);
  const input = (list: { address: string; disabled?: boolean }[]) =>
    config({
      main: {
        protocol: 'udp',
        listen: '127.0.0.1:0',
        strategy: 'first',
        health: { kind: 'none' },
        backends: list,
      },
    });
  const lb = await startBalancer(t, input([{ address: a! }, { address: b! }]));
  const client = await udpPeer(t);
  t.equal(await client.ask('1', lb.port()), 'b0:1');
  await lb.balancer.apply(input([{ address: a!, disabled: true }, { address: b! }]));
  t.equal(await client.ask('2', lb.port()), 'b1:2', 'disabled: the flow moves');
  await lb.balancer.apply(input([{ address: a! }, { address: b! }]));
  t.equal(await client.ask('3', lb.port()), 'b1:3', 'enabled again: no reason to move back');
  await lb.balancer.apply(input([{ address: a! }]));
  t.equal(await client.ask('4', lb.port()), 'b0:4', 'removed: the flow moves');
  t.equal(lb.service().backends[0]!.active, 1);
  t.equal(lb.service().active, 1, 'it was one flow all the time');
  t.equal(lb.log.connections.length, 0);
});

t.test('on_down = close ends the flows of a backend that goes down', async t => {
  const backends = await udpBackends(t, 2);
  const lb = await startBalancer(
    t,
    oneService({
      protocol: 'udp',
      strategy: 'round-robin',
      backends: backends.map(({ address }) => address),
      health: { kind: 'none', passive_failures: 1, on_down: 'close' },
    }),
  );
  const clients = await udpPeers(t, 4);
  for (const client of clients) await client.ask('x', lb.port());
  await backends[0]!.stop();
  await clients[0]!.send('into the void', lb.port());
  const lines = await lb.log.finished(2);
  for (const line of lines) t.match(line, { reason: 'backend_down', backend: backends[0]!.address });
  t.equal(lb.service().active, 2);
  for (const client of clients) t.match(await client.ask('y', lb.port()), /^b1:/);
});

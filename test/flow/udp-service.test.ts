import t from 'tap';
import { Peer } from '../../src/address.js';
import { parseConfigObject } from '../../src/config/parse.js';
import type { ConfigInput } from '../../src/config/schema.js';
import { servicePlan } from '../../src/control/plan.js';
import { PassedSockets } from '../../src/control/sockets.js';
import { DataPlane } from '../../src/flow/plane.js';
import type { PlaneSink } from '../../src/flow/sink.js';
import { Backend } from '../../src/pool/backend.js';
import { SlotAllocator } from '../../src/pool/slots.js';
import { PROCESS_SLOT, SharedTable } from '../../src/pool/table.js';
import type { Total } from '../../src/pool/totals.js';
import { strategies } from '../../strategies/index.js';
import { DatagramEngine } from '../fixtures/datagram-engine.js';

type Settings = Omit<ConfigInput['services'][string], 'listen' | 'backends' | 'protocol' | 'strategy'>;

/** A UDP service over backends 10.0.0.1 … on a network that the test plays; round-robin. */
async function service(settings: Settings = {}, count = 2, maxConnections = 0) {
  const net = new DatagramEngine();
  const table = SharedTable.create(1);
  const slots = new SlotAllocator(table);
  const finished: string[] = [];
  const failing: string[] = [];
  const sink: PlaneSink = {
    finished: ({ client, backend, reason }) => finished.push(`${client} ${backend} ${reason}`),
    backendFailing: (_slot, reason) => failing.push(reason),
    trouble: () => {},
  };
  const make = () => strategies['round-robin'].factory({ options: {}, random: Math.random });
  const plane = new DataPlane(net.engine, table, sink, async () => [make(), make()]);
  const slot = slots.take();
  const backends = Array.from({ length: count }, (_, i) => {
    const endpoint = { kind: 'ip' as const, host: `10.0.0.${i + 1}`, port: 53 };
    return new Backend(
      {
        service: 'dns',
        id: `b${i}`,
        endpoint,
        slot: slots.take(),
        weight: 1,
        backup: false,
        maxConnections: 0,
        admin: 'ready',
      },
      table,
      () => {},
    );
  });
  const serve = async (next: Settings, list: readonly Backend[] = backends) => {
    const { services } = parseConfigObject({
      services: { dns: { listen: '127.0.0.1:53', protocol: 'udp', backends: ['10.0.0.1:53'], ...next } },
    });
    const plan = {
      services: [servicePlan(slot, services.dns!, list, new PassedSockets([]))],
      maxConnections,
    };
    await plane.commit(await plane.prepare(plan), plan);
  };
  await serve(settings);
  const from = { peer: new Peer(), local: 0 };
  return {
    net,
    plane,
    backends,
    finished,
    failing,
    serve,
    /** A datagram from 192.168.0.1 with this port. */
    send: (port: number, text = 'x', host = '192.168.0.1', local = 0) => {
      from.peer.setText(host, port);
      from.local = local;
      net.listeners[0]!.receive(text, from);
    },
    total: (name: Total) => table.total(slot, name),
    active: () => [PROCESS_SLOT, slot, ...backends.map(b => b.slot)].map(at => table.active[at]),
  };
}

t.test('what is dropped is counted by its reason and takes no place', async t => {
  const lb = await service({ max_connections: 3, deny: ['192.168.9.0/24'], max_connections_per_client: 2 });
  lb.send(1, 'x', '192.168.9.1');
  lb.send(2, 'x', '192.168.9.2');
  t.equal(lb.total('droppedDenied'), 2);
  for (const port of [1, 2, 3, 3]) lb.send(port);
  t.equal(lb.total('droppedLimit'), 2, 'the client has its two');
  for (const port of [1, 2]) lb.send(port, 'x', '192.168.0.2');
  t.equal(lb.total('droppedLimit'), 3, 'the service has its three');
  t.strictSame(lb.active(), [3, 3, 2, 1]);
  for (const backend of lb.backends) backend.setHealth('down', 'test');
  lb.send(1, 'x', '192.168.0.3');
  t.equal(lb.total('droppedLimit'), 4);
  lb.send(1);
  t.equal(lb.total('droppedNoBackend'), 1, 'a flow whose backend is down, and nobody else is up');
  t.strictSame(lb.finished, ['192.168.0.1:1 b0 backend_down']);
  lb.send(9);
  t.equal(lb.total('droppedNoBackend'), 2, 'a new flow');
  t.strictSame(lb.active(), [2, 2, 1, 1]);
  t.equal(lb.total('datagramsIn'), 3, 'dropped datagrams are not counted as received');
  await lb.plane.destroy('shutdown');
  t.strictSame(lb.active(), [0, 0, 0, 0]);
  t.ok(lb.net.upstreams.every(({ closed }) => closed));
});

t.test('max_flows and the process-wide limit', async t => {
  const flows = await service({ udp: { max_flows: 5 } });
  for (let port = 1; port <= 1000; port++) flows.send(port);
  t.equal(flows.total('droppedLimit'), 995);
  t.equal(flows.net.upstreams.length, 5);
  flows.send(3, 'still here');
  t.strictSame(flows.net.upstreams[2]!.sent, ['x', 'still here']);

  const whole = await service({}, 2, 4);
  for (let port = 1; port <= 10; port++) whole.send(port);
  t.equal(whole.total('droppedLimit'), 6);
  t.strictSame(whole.active(), [4, 4, 2, 2]);
});

t.test('flows that expire free their place, the longest quiet first', async t => {
  const lb = await service({ timeouts: { idle: '10s' } });
  lb.send(1);
  lb.net.advance(5_000);
  lb.send(2);
  lb.net.advance(2_000);
  lb.net.upstreams[0]!.reply('late answer');
  lb.net.advance(8_000);
  t.strictSame(lb.finished, ['192.168.0.1:2 b1 idle_timeout'], 'an answer is activity');
  lb.net.advance(4_000);
  t.equal(lb.finished.length, 2);
  t.strictSame(lb.active(), [0, 0, 0, 0]);
  t.equal(lb.net.timers.size, 0, 'no flows, no sweep');
});

t.test('a sweep ends thousands of flows without a long stop', async t => {
  const lb = await service({ timeouts: { idle: '1s' } });
  for (let port = 1; port <= 9_000; port++) lb.send(port);
  lb.net.advance(1_300);
  t.ok(
    lb.finished.length >= 2_000 && lb.finished.length <= 4_000,
    `${lb.finished.length} in the first sweeps`,
  );
  lb.net.advance(2_000);
  t.equal(lb.finished.length, 9_000);
  t.strictSame(lb.active(), [0, 0, 0, 0]);
});

t.test('a reload changes the idle time and max_flows of flows that are open', async t => {
  const lb = await service({ timeouts: { idle: '1h' } });
  for (let port = 1; port <= 4; port++) lb.send(port);
  await lb.serve({ timeouts: { idle: '1s' }, udp: { max_flows: 2 } });
  lb.send(5);
  t.equal(lb.total('droppedLimit'), 1, 'no new flow above the new limit');
  lb.net.advance(500);
  lb.send(1, 'known');
  t.strictSame(lb.net.upstreams[0]!.sent, ['x', 'known']);
  lb.net.advance(900);
  t.equal(lb.finished.length, 3);
  lb.net.advance(1_000);
  t.strictSame(lb.active(), [0, 0, 0, 0]);
  lb.send(7);
  t.equal(lb.net.upstreams.length, 5);
});

t.test(
  'an unreachable port: the next datagram goes elsewhere, the answers in between still count',
  async t => {
    const lb = await service({ health: { passive_failures: 2 } });
    lb.send(1, 'one');
    const [first] = lb.net.upstreams;
    first!.refuse();
    t.strictSame(lb.failing, []);
    t.notOk(first!.closed, 'until the client says something');
    lb.send(1, 'two');
    t.ok(first!.closed);
    t.strictSame(lb.net.upstreams[1]!.sent, ['two']);
    t.strictSame(lb.active(), [1, 1, 0, 1], 'its place moved with it');
    lb.net.upstreams[1]!.reply('pong');
    t.strictSame(lb.net.listeners[0]!.answers, ['pong > 192.168.0.1:1 @0']);
    lb.send(2);
    lb.net.upstreams[2]!.refuse();
    t.strictSame(lb.failing, ['2 connections failed: port unreachable']);
  },
);

t.test('an answer ends the row of failures', async t => {
  const lb = await service({ health: { passive_failures: 2 } }, 1);
  for (let n = 0; n < 5; n++) {
    lb.send(n + 1);
    lb.net.upstreams.at(-1)!.refuse();
    lb.send(100 + n);
    lb.net.upstreams.at(-1)!.reply('fine');
  }
  t.strictSame(lb.failing, []);
});

t.test('a late answer of a backend that the flow has left goes nowhere', async t => {
  const lb = await service({ udp: { responses: 1 } });
  lb.send(1);
  const [upstream] = lb.net.upstreams;
  upstream!.reply('first');
  upstream!.reply('second');
  t.strictSame(lb.net.listeners[0]!.answers, ['first > 192.168.0.1:1 @0']);
  t.equal(lb.finished.length, 1);
  upstream!.refuse();
  t.equal(lb.finished.length, 1, 'and its errors are nobody’s');
});

t.test('the answer leaves from the address that was last written to', async t => {
  const lb = await service();
  lb.send(1, 'x', '192.168.0.1', 3);
  lb.net.upstreams[0]!.reply('a');
  lb.send(1, 'x', '192.168.0.1', 4);
  lb.net.upstreams[0]!.reply('b');
  t.strictSame(lb.net.listeners[0]!.answers, ['a > 192.168.0.1:1 @3', 'b > 192.168.0.1:1 @4']);
});

t.test('a removed backend: its flows move, those of the others stay', async t => {
  const lb = await service();
  lb.send(1);
  lb.send(2);
  const [a, b] = lb.backends;
  a!.setAdmin('drain', 'removed');
  await lb.serve({}, [b!]);
  lb.send(1, 'moved');
  lb.send(2, 'stayed');
  t.strictSame(
    lb.net.upstreams.map(({ sent }) => sent),
    [['x'], ['x', 'stayed'], ['moved']],
  );
  t.strictSame(lb.active(), [2, 2, 0, 2]);
});

t.test('requests: flows that wait for answers are bounded and expire too', async t => {
  const lb = await service({ udp: { requests: 1, max_flows: 3 }, timeouts: { idle: '1s' } });
  for (let n = 0; n < 5; n++) lb.send(1, String(n));
  t.equal(lb.net.upstreams.length, 3);
  t.equal(lb.total('droppedLimit'), 2);
  lb.net.advance(800);
  lb.net.upstreams[0]!.reply('slow');
  lb.net.advance(800);
  t.equal(lb.finished.length, 2, 'the one that got an answer waits on');
  lb.net.advance(800);
  t.strictSame(lb.active(), [0, 0, 0, 0]);
});

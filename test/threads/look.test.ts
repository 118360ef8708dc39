import t from 'tap';
import { parseConfigObject } from '../../src/config/parse.js';
import { servicePlan } from '../../src/control/plan.js';
import { PassedSockets } from '../../src/control/sockets.js';
import { Backend } from '../../src/pool/backend.js';
import { SlotAllocator } from '../../src/pool/slots.js';
import { SharedTable } from '../../src/pool/table.js';
import { LocalPlane } from '../../src/threads/local.js';
import { FakeConn, StreamEngine } from '../fixtures/stream-engine.js';
import { until } from '../fixtures/until.js';

t.test('who waits hears of each change of states and weights, not only when it is time to look', async t => {
  const table = SharedTable.create(1);
  const slots = new SlotAllocator(table);
  const slot = slots.take();
  const backend = new Backend(
    {
      service: 'web',
      id: 'b',
      endpoint: { kind: 'ip', host: '10.0.0.1', port: 80 },
      slot: slots.take(),
      weight: 0,
      backup: false,
      maxConnections: 0,
      admin: 'ready',
    },
    table,
    () => {},
  );
  const { services } = parseConfigObject({
    services: { web: { listen: '127.0.0.1:80', backends: ['10.0.0.1:80'], queue: { size: 5 } } },
  });
  const plan = {
    services: [servicePlan(slot, services.web!, [backend], new PassedSockets([]))],
    maxConnections: 0,
  };
  const net = new StreamEngine();
  const sink = { finished: () => {}, backendFailing: () => {}, trouble: () => {} };
  const plane = new LocalPlane(net.engine, table, sink, () => {});
  t.teardown(() => plane.destroy('shutdown'));
  table.onChange = () => plane.look();
  await plane.prepare(plan);
  await plane.commit(plan);
  net.listeners[0]!.offer(new FakeConn(1));
  t.equal(table.board.waiting[slot], 1);
  backend.setWeight(1);
  t.equal(net.links.length, 0, 'not within the change');
  await until('it is dialled', () => net.links.length === 1);
  t.equal(table.board.waiting[slot], 0);
});

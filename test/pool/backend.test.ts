import t from 'tap';
import { sampleLatency } from '../../src/pool/latency.js';
import { Fleet } from './fleet.js';

t.test('what people see: the operator before health', async t => {
  const fleet = new Fleet('first', [{}]);
  const [backend] = fleet.backends;
  t.equal(backend!.state, 'checking');
  t.equal(fleet.table.stateName(backend!.slot), 'checking', 'the table says the same');
  backend!.setHealth('up', '1 probe ok');
  backend!.setAdmin('drain', 'by operator');
  backend!.setHealth('down', 'refused');
  t.equal(backend!.state, 'draining');
  t.equal(backend!.downReason, 'refused');
  backend!.setAdmin('maint', 'by operator');
  backend!.setAdmin('ready', 'by operator');
  t.equal(backend!.state, 'down');
  t.equal(fleet.table.stateName(backend!.slot), 'down');
  backend!.setHealth('up', '2 probes ok');
  t.equal(backend!.downReason, '');
  t.strictSame(
    fleet.transitions.map(({ from, to, reason }) => `${from} > ${to}: ${reason}`),
    [
      'checking > up: 1 probe ok',
      'up > draining: by operator',
      'draining > maintenance: by operator',
      'maintenance > down: by operator',
      'down > up: 2 probes ok',
    ],
    'each change that can be seen is told once',
  );
});

t.test('nothing new is no transition and no rebuild', async t => {
  const fleet = new Fleet('first', [{}]);
  const [backend] = fleet.backends;
  const generation = fleet.table.generation[0];
  backend!.setHealth('checking', 'again');
  backend!.setAdmin('ready', 'again');
  backend!.setShare(1);
  t.equal(fleet.table.generation[0], generation);
  t.strictSame(fleet.transitions, []);
});

t.test('weight and slow start make the weight in effect', async t => {
  const fleet = new Fleet('first', [{ weight: 8 }]);
  const [backend] = fleet.backends;
  const effective = () => fleet.table.weight[backend!.slot];
  t.equal(effective(), 8);
  backend!.setShare(0.25);
  t.equal(effective(), 2);
  backend!.setWeight(4);
  t.equal(effective(), 1);
  t.equal(backend!.weight, 4, 'what was configured stays visible');
  backend!.setShare(1);
  t.equal(effective(), 4);
});

t.test('a new state forgets the failures of traffic', async t => {
  const fleet = new Fleet('first', [{}]);
  const [backend] = fleet.backends;
  fleet.table.failures[backend!.slot] = 2;
  backend!.setHealth('up', '');
  t.equal(fleet.table.failures[backend!.slot], 0);
});

t.test('people see the response time as it was last, strategies see it sink', async t => {
  const { table, backends } = new Fleet('first', [{}]);
  const [backend] = backends;
  const { slot } = backend!;
  t.equal(backend!.latency, 0);
  sampleLatency(table, slot, 80, 1_000);
  t.equal(backend!.latency, 80);
  for (let at = 2_000; at <= 200_000; at += 1_000) backend!.sinkLatency(at);
  t.equal(backend!.latency, 80, 'connections that are quiet do not make it quick');
  t.ok(table.latency[slot]! < 0.001);
  sampleLatency(table, slot, 20, 200_500);
  t.equal(backend!.latency, 20, 'a new answer counts at once');
});

import t, { type Test } from 'tap';
import type { ConfigInput } from '../../src/config/schema.js';
import { createBalancer, type Fault } from '../../src/index.js';
import { backend, named, says } from '../fixtures/backends.js';
import { ask, client } from '../fixtures/clients.js';

type ServiceInput = ConfigInput['services'][string];

/** Two servers, the first of which is always tried first. */
async function start(t: Test, service: Partial<ServiceInput> = {}) {
  const servers = await Promise.all(['a', 'b'].map(name => backend(t, named(name))));
  const backends = servers.map(({ address }, i) => ({ address, name: `db${i + 1}` }));
  const main = {
    listen: '127.0.0.1:0',
    strategy: 'first' as const,
    backends,
    health: { kind: 'none' as const, passive_failures: 0 },
    ...service,
  };
  const balancer = createBalancer({ services: { main } }, { faults: true });
  t.teardown(() => balancer.destroy());
  await balancer.start();
  const port = Number(balancer.addresses[0]!.address.split(':').at(-1));
  return { balancer, servers, port };
}

t.test('refuse: the next backend is taken, for as many connections as asked for', async t => {
  const { balancer, port } = await start(t);
  const injected = await balancer.inject('main', 'db1', { kind: 'refuse', connections: 2 });
  t.strictSame(
    [await ask(t, port, '1'), await ask(t, port, '2'), await ask(t, port, '3')],
    ['b1', 'b2', 'a3'],
  );
  t.equal(injected.hits, 2);
});

t.test('refuse: without a number until it is cleared', async t => {
  const { balancer, port } = await start(t);
  const injected = await balancer.inject('main', 'db1', { kind: 'refuse' });
  for (let i = 0; i < 5; i++) t.equal(await ask(t, port, 'x'), 'bx');
  injected.clear();
  t.equal(await ask(t, port, 'x'), 'ax');
});

t.test('refuse: counts as a failure of real traffic', async t => {
  const { balancer, port } = await start(t, { health: { kind: 'none', passive_failures: 2 } });
  await balancer.inject('main', 'db1', { kind: 'refuse', connections: 2 });
  await ask(t, port, '1');
  await ask(t, port, '2');
  const [db1] = balancer.snapshot().services[0]!.backends;
  t.match(db1, { state: 'down', down_reason: /connection refused/ });
});

t.test('black-hole: the connect timeout ends the attempt', async t => {
  const { balancer, port } = await start(t, { timeouts: { connect: '100ms' } });
  const injected = await balancer.inject('main', 'db1', { kind: 'black-hole', connections: 1 });
  const began = performance.now();
  t.equal(await ask(t, port, 'x'), 'bx');
  t.ok(performance.now() - began >= 95, 'not before the timeout');
  t.equal(injected.hits, 1);
});

t.test('black-hole: a client that leaves ends the attempt', async t => {
  const { balancer, port } = await start(t, { timeouts: { connect: '1m' } });
  await balancer.inject('main', 'db1', { kind: 'black-hole' });
  const leaving = client(t, port);
  leaving.socket.write('x');
  while (balancer.active === 0) await new Promise(setImmediate);
  leaving.socket.resetAndDestroy();
  while (balancer.active > 0) await new Promise(setImmediate);
  t.equal(balancer.snapshot().services[0]!.backends[0]!.active, 0);
});

t.test('delay: the connection comes late', async t => {
  const { balancer, port } = await start(t);
  await balancer.inject('main', 'db1', { kind: 'delay', ms: 150 });
  const began = performance.now();
  t.equal(await ask(t, port, 'x'), 'ax');
  t.ok(performance.now() - began >= 145);
});

t.test('reset: upon the first byte, or after so many bytes of the answer', async t => {
  const { balancer, servers, port } = await start(t);
  await balancer.inject('main', 'db1', { kind: 'reset', connections: 1 });
  const first = client(t, port);
  first.socket.write('hello');
  await first.end();
  t.match(first, { received: 0, ending: 'RST' });
  t.equal(servers[0]!.peers.length, 0, 'the backend saw nothing of it');

  await balancer.inject('main', 'db1', { kind: 'reset', afterBytes: 4, connections: 1 });
  const second = client(t, port);
  second.socket.write('hello');
  await second.end();
  t.match(second, { text: 'ahel', ending: 'RST' });
  t.equal(await ask(t, port, 'hello'), 'ahello', 'and then it is as it was');
});

t.test('what cannot be injected is said', async t => {
  const { balancer } = await start(t);
  const refused = (fault: Fault, backend = 'db1') => balancer.inject('main', backend, fault);
  await t.rejects(refused({ kind: 'refuse' }, 'db3'), { code: 'LB4_NOT_FOUND', message: /did you mean/ });
  await t.rejects(refused({ kind: 'refuse', connections: 0 }), {
    code: 'LB4_USAGE',
    message: 'connections: expected a whole number from 1, got 0',
  });
  await t.rejects(refused({ kind: 'delay', ms: Number.NaN }), { code: 'LB4_USAGE' });
  await t.rejects(refused({ kind: 'reset', afterBytes: 1.5 }), { code: 'LB4_USAGE' });
});

t.test('faults have to be asked for, and take the net engine', async t => {
  const { address } = await backend(t, says('x'));
  const services = { main: { listen: '127.0.0.1:0', backends: [{ address, name: 'db1' }] } };
  const plain = createBalancer({ services });
  t.teardown(() => plain.destroy());
  await plain.start();
  await t.rejects(plain.inject('main', 'db1', { kind: 'refuse' }), /created with \{ faults: true \}/);
  const fast = createBalancer({ services, runtime: { engine: 'epoll' } }, { faults: true });
  await t.rejects(fast.start(), { code: 'LB4_ENGINE', message: /expected engine "net" or "auto"/ });
});

import t from 'tap';
import { startAdministered } from '../fixtures/api.js';
import { backend, named, says } from '../fixtures/backends.js';
import { oneService } from '../fixtures/balancer.js';
import { ask, client } from '../fixtures/clients.js';
import { until } from '../fixtures/until.js';

const LIST = '/services/main/backends';
const at = (id: string) => `${LIST}/${encodeURIComponent(id)}`;

t.test('a backend is added: it gets connections, and is shown as added', async t => {
  const list = await Promise.all(['a', 'b'].map(name => backend(t, says(name))));
  const [a, b] = list.map(({ address }) => address);
  const lb = await startAdministered(t, oneService({ strategy: 'round-robin', backends: [a!] }));
  const added = await lb.api('POST', LIST, { address: b, name: 'second', weight: 2 });
  t.match(added, {
    status: 201,
    json: { id: 'second', backends: [{ id: 'second', address: b, weight: 2, runtime: { added: true } }] },
  });
  const answers = [];
  for (let n = 0; n < 4; n++) answers.push(await ask(t, lb.port()));
  t.equal(answers.sort().join(''), 'aabb', 'at once when the answer is there');
  t.strictSame(
    lb.service().backends.map(({ id }) => id),
    [a, 'second'],
  );
});

t.test('what is there already is not added again', async t => {
  const [a, b] = await Promise.all(['a', 'b'].map(name => backend(t, says(name))));
  const lb = await startAdministered(t, oneService({ backends: [`${a!.address} name=first`, b!.address] }));
  const cases: [unknown, number, RegExp][] = [
    [{ address: b!.address }, 409, /^there is a backend ".*" in service "main" already$/],
    [{ address: a!.address }, 409, /^the backend "first" in service "main" has this address already$/],
    [{ address: '127.0.0.9:1', name: 'first' }, 409, /^there is a backend "first"/],
    [{ address: 'x y' }, 400, /^body: address: /],
    [{}, 400, /^body: address: expected a backend address .*, got nothing$/],
    [{ address: '127.0.0.9:1', waight: 1 }, 400, /unknown key "waight" \(did you mean "weight"\?\)/],
    [
      { address: '127.0.0.9:1', weight: 70_000 },
      400,
      /^body: weight: expected a whole number from 0 to 65535/,
    ],
  ];
  for (const [body, status, error] of cases)
    t.match(await lb.api('POST', LIST, body), { status, json: { error } });
  t.match(await lb.api('POST', '/services/x/backends', { address: '127.0.0.9:1' }), { status: 404 });
  t.equal(lb.service().backends.length, 2);
});

t.test('a unix socket does not fit a UDP service', async t => {
  const lb = await startAdministered(t, oneService({ protocol: 'udp', backends: ['127.0.0.1:9'] }));
  const answer = await lb.api('POST', LIST, { address: 'unix:/x' });
  t.match(answer, {
    status: 422,
    json: { errors: [/unix sockets work on TCP services only; this one is UDP/] },
  });
});

t.test('a backend is removed: it drains and is gone; put back it is the one it was', async t => {
  const list = await Promise.all(['a', 'b'].map(name => backend(t, named(name))));
  const [a, b] = list.map(({ address }) => address);
  const lb = await startAdministered(
    t,
    oneService({ strategy: 'first', backends: [a!, b!] }, { drain_timeout: '30s' }),
  );
  const held = client(t, lb.port());
  await held.reads(1);
  t.match(await lb.api('DELETE', at(a!)), { status: 200, json: { id: a, backends: [a], draining: 1 } });
  t.match(await lb.log.line('backend is draining'), { backend: a, reason: 'removed by operator' });
  t.match(lb.service(), { removed: [a], backends: [{ id: b }] });
  t.equal(await ask(t, lb.port(), '?'), 'b?');
  await held.write('x');
  await held.reads(2);
  t.match(await lb.api('DELETE', at(a!)), { status: 404 });
  t.match(await lb.api('POST', LIST, { address: a }), {
    status: 201,
    json: { backends: [{ id: a, active: 1, total: 1, runtime: {} }] },
  });
  t.strictSame(lb.service().removed, [], 'as the configuration has it');
  t.equal((await lb.api('DELETE', at(a!))).status, 200);
  const other = await lb.api('POST', LIST, { address: a, weight: 9 });
  t.match(other.json.backends, [{ id: a, weight: 9, runtime: { added: true } }], 'or otherwise');
  t.strictSame(lb.service().removed, []);
});

t.test('the connections of a removed backend are closed when the drain time is over', async t => {
  const list = await Promise.all(['a', 'b'].map(name => backend(t, named(name))));
  const lb = await startAdministered(
    t,
    oneService(
      { strategy: 'first', backends: list.map(({ address }) => address) },
      { drain_timeout: '200ms' },
    ),
  );
  const held = client(t, lb.port());
  await held.reads(1);
  await lb.api('DELETE', at(list[0]!.address));
  t.match(await lb.log.only(), { backend: list[0]!.address, reason: 'drained' });
});

t.test('the last backend may go; then there is none', async t => {
  const behind = await backend(t, says('a'));
  const lb = await startAdministered(t, oneService({ backends: [behind.address] }));
  await lb.api('DELETE', at(behind.address));
  t.match(await lb.api('GET', '/readyz'), { status: 503, json: { error: 'no usable backend: main' } });
  t.equal(await ask(t, lb.port()), '');
  t.match(await lb.log.only(), { reason: 'no_backend' });
});

t.test('a name is added and removed as a whole; one of its addresses is not', async t => {
  const behind = await backend(t, says('a'));
  const resolver = {
    addresses: async () => [{ address: '127.0.0.1' }, { address: '127.0.0.2' }],
    srv: async () => [],
    cancel: () => {},
  };
  const lb = await startAdministered(t, oneService({ backends: [behind.address] }), {}, { resolver });
  const { json } = await lb.api('POST', LIST, { address: 'db.test:5432' });
  t.strictSame(
    json.backends.map(({ id }: { id: string }) => id),
    ['db.test:5432', 'db.test:5432@127.0.0.2'],
  );
  const refused = await lb.api('DELETE', at('db.test:5432@127.0.0.2'));
  t.match(refused, { status: 409, json: { error: /comes from "db\.test:5432", which would bring it back/ } });
  t.match(await lb.api('DELETE', at('db.test:5432')), { json: { backends: { length: 2 } } });
  await until('gone', () => lb.service().backends.length === 1);
});

import t from 'tap';
import { startAdministered } from '../fixtures/api.js';
import { backend, named, says } from '../fixtures/backends.js';
import { oneService } from '../fixtures/balancer.js';
import { ask, client } from '../fixtures/clients.js';

t.test('drain: nothing new, what is open stays; ready: traffic again', async t => {
  const list = await Promise.all(['a', 'b'].map(name => backend(t, named(name))));
  const [a, b] = list.map(({ address }) => address);
  const lb = await startAdministered(t, oneService({ strategy: 'first', backends: [a!, b!] }));
  const url = `/services/main/backends/${encodeURIComponent(a!)}`;
  const held = client(t, lb.port());
  await held.reads(1);
  const drained = await lb.api('PATCH', url, { state: 'drain' });
  t.match(drained, { status: 200, json: { id: a, state: 'draining', active: 1 } });
  t.equal(await ask(t, lb.port(), '?'), 'b?');
  await held.write('x');
  await held.reads(2);
  t.match(await lb.log.line('backend is draining'), { backend: a, reason: 'by operator' });
  t.match(await lb.api('PATCH', url, { state: 'ready' }), { json: { state: 'checking' } });
  t.equal(await ask(t, lb.port(), '?'), 'a?');
});

t.test('maint: no checks; weight: the share of the traffic', async t => {
  const list = await Promise.all(['a', 'b'].map(name => backend(t, says(name))));
  const [a, b] = list.map(({ address }) => address);
  const lb = await startAdministered(t, oneService({ strategy: 'weighted-round-robin', backends: [a!, b!] }));
  const url = `/services/main/backends/${encodeURIComponent(a!)}`;
  t.match(await lb.api('PATCH', url, { state: 'maint', weight: 3 }), {
    json: { state: 'maintenance', weight: 3 },
  });
  t.equal(await ask(t, lb.port()), 'b');
  await lb.api('PATCH', url, { state: 'ready' });
  const answers = [];
  for (let n = 0; n < 8; n++) answers.push(await ask(t, lb.port()));
  t.equal(answers.sort().join(''), 'aaaaaabb');
});

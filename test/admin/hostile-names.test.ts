import t from 'tap';
import { ConfigError } from '../../src/errors.js';
import { startAdministered } from '../fixtures/api.js';
import { backend, says } from '../fixtures/backends.js';
import { oneService, startBalancer } from '../fixtures/balancer.js';
import { ask } from '../fixtures/clients.js';

/** Names that mean something to every object of JavaScript. */
const NAMES = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '__defineGetter__'];

t.test('a backend may have any name: nothing looks it up where objects have names of their own', async t => {
  const servers = await Promise.all(NAMES.map(name => backend(t, says(name))));
  const backends = servers.map(({ address }, i) => ({ address, name: NAMES[i]! }));
  const lb = await startAdministered(t, oneService({ strategy: 'first', backends }));
  const { json: before } = await lb.api('GET', '/status');
  t.strictSame(
    before.services[0].backends.map(({ id }: { id: string }) => id),
    NAMES,
  );
  for (const name of NAMES) {
    t.equal(await ask(t, lb.port()), name);
    const change = await lb.api('PATCH', `/services/main/backends/${name}`, { state: 'drain', weight: 7 });
    t.match(change, { status: 200, json: { id: name, state: 'draining', weight: 7, total: 1 } });
    const { text } = await lb.api('GET', '/metrics');
    t.match(text, `lb4_connections_total{service="main",backend="${name}"} 1`);
    t.equal((await lb.api('GET', `/services/main/connections?backend=${name}`)).status, 200);
    t.equal((await lb.api('POST', `/services/main/backends/${name}/close`, {})).status, 202);
  }
  t.equal((await lb.api('DELETE', '/services/main/backends/__proto__')).status, 200);
  t.strictSame(Object.keys(Object.prototype), []);
});

t.test('names of objects are no services and no backends', async t => {
  const server = await backend(t, says('a'));
  const lb = await startAdministered(t, oneService({ backends: [server.address] }));
  for (const name of NAMES) {
    t.equal((await lb.api('GET', `/services/${name}/connections`)).status, 404, name);
    t.equal((await lb.api('PATCH', `/services/main/backends/${name}`, { weight: 1 })).status, 404, name);
  }
});

t.test('bodies that reach for a prototype are refused', async t => {
  const server = await backend(t, says('a'));
  const lb = await startAdministered(t, oneService({ backends: [server.address] }));
  for (const body of [
    '{"__proto__":{"weight":1}}',
    '{"constructor":{"prototype":{"weight":1}}}',
    '{"weight":1,"__proto__":null}',
    '{"address":"127.0.0.1:1","__proto__":{"backup":true}}',
  ]) {
    const url = body.includes('address') ? '/services/main/backends' : '/services/main/backends/x';
    const answer = await lb.api(url.endsWith('x') ? 'PATCH' : 'POST', url, body);
    t.equal(answer.status, 400, body);
    t.type(answer.json.error, 'string');
  }
  t.equal(({} as { weight?: number }).weight, undefined);
});

t.test('no service may have such a name, nor a table such a key', async t => {
  const service = { listen: '127.0.0.1:0', backends: ['127.0.0.1:1'] };
  for (const name of ['__proto__', 'constructor', 'prototype']) {
    const services = JSON.parse(
      `{"${name}": ${JSON.stringify(service)}, "good": ${JSON.stringify(service)}}`,
    );
    await t.rejects(startBalancer(t, { services }), ConfigError, name);
  }
});

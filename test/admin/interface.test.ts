import t from 'tap';
import { startAdministered } from '../fixtures/api.js';
import { backend, named } from '../fixtures/backends.js';
import { oneService } from '../fixtures/balancer.js';
import { ask, client } from '../fixtures/clients.js';

t.test('livez, readyz and status', async t => {
  const list = await Promise.all(['a', 'b'].map(name => backend(t, named(name))));
  const lb = await startAdministered(
    t,
    oneService({ strategy: 'first', backends: list.map(({ address }) => address) }),
  );
  t.match(await lb.api('GET', '/livez'), { status: 200, json: { ok: true } });
  t.match(await lb.api('GET', '/readyz'), { status: 200, json: { ok: true } });
  t.equal(await ask(t, lb.port(), 'hello'), 'ahello');
  await lb.idle();
  const { status, json } = await lb.api('GET', '/status');
  t.equal(status, 200);
  const { uptime_seconds: _, ...rest } = json;
  const { uptime_seconds: __, ...expected } = lb.balancer.snapshot();
  t.strictSame(rest, expected, 'the whole snapshot');
  t.match(json.services[0].backends[0], { total: 1, bytes_in: 5, bytes_out: 6 });
});

t.test('readyz says which service has no usable backend', async t => {
  const behind = await backend(t, named('a'));
  const lb = await startAdministered(t, oneService({ backends: [behind.address] }));
  lb.balancer.setState('main', behind.address, 'drain');
  t.match(await lb.api('GET', '/readyz'), { status: 503, json: { error: 'no usable backend: main' } });
  lb.balancer.setState('main', behind.address, 'ready');
  t.match(await lb.api('GET', '/readyz'), { status: 200 });
  lb.balancer.setWeight('main', behind.address, 0);
  t.match(await lb.api('GET', '/readyz'), { status: 503 }, 'a weight of 0 takes nothing either');
});

t.test('errors have one form', async t => {
  const behind = await backend(t, named('a'));
  const lb = await startAdministered(t, oneService({ backends: [behind.address] }));
  const backendUrl = `/services/main/backends/${encodeURIComponent(behind.address)}`;
  const cases: [string, string, unknown, number, RegExp][] = [
    ['GET', '/nothing?token=x', undefined, 404, /^no such thing here: GET \/nothing$/],
    ['DELETE', '/status', undefined, 404, /^no such thing here/],
    [
      'PATCH',
      '/services/mian/backends/x',
      { state: 'drain' },
      404,
      /no service "mian" \(did you mean "main"\?\)/,
    ],
    ['PATCH', '/services/main/backends/x', { state: 'drain' }, 404, /no backend "x" in service "main"/],
    ['PATCH', backendUrl, { state: 'drian' }, 400, /state: expected one of .* \(did you mean "drain"\?\)/],
    ['PATCH', backendUrl, { weight: -1 }, 400, /weight: expected a whole number from 0 to 65535, got -1/],
    ['PATCH', backendUrl, { weight: 1.5, state: 1 }, 400, /state: .*weight: /],
    ['PATCH', backendUrl, { wieght: 1 }, 400, /unknown key "wieght" \(did you mean "weight"\?\)/],
    ['PATCH', backendUrl, {}, 400, /expected state or weight, got neither/],
    ['PATCH', backendUrl, [], 400, /expected a JSON object/],
    ['PATCH', backendUrl, 'null', 400, /expected a JSON object/],
    ['PATCH', backendUrl, '{"state":', 400, /not valid JSON/],
    ['PATCH', backendUrl, undefined, 400, /expected a JSON object/],
    ['PATCH', backendUrl, '', 400, /expected a JSON object/],
    ['PATCH', '/services/main/backends/%zz', { weight: 1 }, 400, /expected a URL in which every %/],
    ['DELETE', `/services/main/backends/${'x'.repeat(2_000)}`, undefined, 414, /no name or id is that long/],
    ['PATCH', backendUrl, `{"state":"${'x'.repeat(70_000)}"}`, 413, /too large/],
    ['PATCH', backendUrl, '{"__proto__":{"state":"drain"}}', 400, /./],
  ];
  for (const [method, url, body, status, error] of cases) {
    const answer = await lb.api(method, url, body);
    t.match(answer, { status, json: { error } }, `${method} ${url}`);
    t.strictSame(Object.keys(answer.json), ['error']);
  }
  const text = await lb.api('PATCH', backendUrl, '{"state":"drain"}', { 'content-type': 'text/plain' });
  t.match(text, { status: 415, json: { error: /./ } });
  t.equal(lb.service().backends[0]!.state, 'checking', 'nothing was changed');
});

t.test('an empty body is none, whatever its type says', async t => {
  const behind = await backend(t, named('a'));
  const lb = await startAdministered(t, oneService({ backends: [behind.address] }));
  t.match(await lb.api('POST', '/services/main/rebalance', ''), { status: 202, json: { closing: 0 } });
  const url = `/services/main/backends/${encodeURIComponent(behind.address)}`;
  t.match(await lb.api('DELETE', url, ''), { status: 200, json: { id: behind.address } });
});

t.test('what is no HTTP gets an answer in the same form', async t => {
  const behind = await backend(t, named('a'));
  const lb = await startAdministered(t, oneService({ backends: [behind.address] }));
  const path = lb.admin.address!.slice('unix:'.length);
  const answerTo = async (text: string) => {
    const peer = client(t, { path });
    peer.socket.write(text);
    await peer.end();
    const [head = '', body = ''] = peer.text.split('\r\n\r\n');
    return { status: head.split(' ')[1], json: JSON.parse(body) };
  };
  t.strictSame(await answerTo('rubbish\r\n\r\n'), {
    status: '400',
    json: { error: 'expected an HTTP request' },
  });
  t.strictSame(await answerTo(`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`), {
    status: '431',
    json: { error: 'the headers are too long' },
  });
});

t.test('the OpenAPI document has every route', async t => {
  const behind = await backend(t, named('a'));
  const lb = await startAdministered(t, oneService({ backends: [behind.address] }));
  const { status, json } = await lb.api('GET', '/openapi.json');
  t.equal(status, 200);
  t.match(json, { openapi: '3.1.0', info: { version: /^\d/ } });
  for (const path of ['/livez', '/readyz', '/status', '/reload', '/services/{service}/backends/{backend}']) {
    t.ok(json.paths[path], path);
  }
});

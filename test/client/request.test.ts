import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { AdminClient } from '../../src/client/admin-client.js';
import { Requester, type RequesterOptions } from '../../src/client/request.js';
import { type Answer, fakeAdmin, type Request } from '../fixtures/fake-admin.js';
import { folder } from '../fixtures/program.js';
import { instanceStatus } from '../fixtures/status.js';

/** A Requester for something that always answers the same. */
async function asking(t: Test, answer: Answer, options: RequesterOptions = {}) {
  const { path, requests } = await fakeAdmin(t, () => answer);
  const requester = new Requester({ kind: 'unix', path }, options);
  t.teardown(() => requester.close());
  return { requester, path, requests };
}

t.test('a request with a body and a token', async t => {
  const { requester, requests } = await asking(t, [200, { ok: true }], { token: 'secret' });
  t.same((await requester.ask('PATCH', '/x', { weight: 5 })).json, { ok: true });
  await requester.ask('GET', '/y');
  t.match(requests, [
    {
      method: 'PATCH',
      url: '/x',
      body: '{"weight":5}',
      headers: { authorization: 'Bearer secret', 'content-type': 'application/json', host: 'localhost' },
    },
    { method: 'GET', url: '/y', body: '' },
  ]);
});

t.test('what says no becomes an error with a code', async t => {
  const cases: readonly (readonly [Answer, string, string | RegExp])[] = [
    [[404, { error: 'no service "x"' }], 'LB4_ADMIN', 'no service "x"'],
    [[409, { error: 'it is there' }], 'LB4_ADMIN', 'it is there'],
    [[400, { error: 'body: weight: expected' }], 'LB4_USAGE', 'weight: expected'],
    [
      [422, { error: 'a\nb', errors: ['lb4.toml:1:1 a', 'lb4.toml:2:1 b'] }],
      'LB4_CONFIG',
      'lb4.toml:1:1 a\nlb4.toml:2:1 b',
    ],
    [[422, { error: 'just this' }], 'LB4_CONFIG', 'just this'],
    [
      [403, { error: 'no token' }],
      'LB4_ADMIN',
      /^unix:\S+ refused: no token; a token is given by --token-file or LB4_TOKEN$/,
    ],
    [[500, 'oops'], 'LB4_ADMIN', /does not answer like lb4 \(HTTP 500\)$/],
    [[200, 'not json'], 'LB4_ADMIN', /does not answer like lb4 \(HTTP 200\)$/],
    [[404, { error: 'a\u001b[2Jb\u202e' }], 'LB4_ADMIN', 'a\\u001b[2Jb\\u202e'],
  ];
  for (const [answer, code, message] of cases) {
    const { requester } = await asking(t, answer);
    await t.rejects(requester.ask('GET', '/'), { code, message }, JSON.stringify(answer));
  }
});

t.test('403 with a token says nothing of how to give one', async t => {
  const { requester } = await asking(t, [403, { error: 'wrong token' }], { token: 'x' });
  await t.rejects(requester.ask('GET', '/'), { message: /refused: wrong token$/ });
});

t.test('nobody answers', async t => {
  const dir = folder(t);
  const nowhere = new Requester({ kind: 'unix', path: join(dir, 'none.sock') });
  await t.rejects(nowhere.ask('GET', '/'), {
    code: 'LB4_ADMIN',
    message: `cannot ask unix:${dir}/none.sock: there is no such socket`,
  });
  const port = new Requester({ kind: 'ip', host: '127.0.0.1', port: 1 });
  await t.rejects(port.ask('GET', '/'), { message: 'cannot ask 127.0.0.1:1: nothing listens there' });
  const { requester } = await asking(t, undefined, { timeoutMs: 50 });
  await t.rejects(requester.ask('GET', '/'), { message: /no answer within 0\.05 s$/ });
});

t.test('somebody else answers', async t => {
  for (const behaviour of [
    (socket: Socket) => socket.end('+PONG\r\n'),
    (socket: Socket) => socket.destroy(),
    (socket: Socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc'),
  ]) {
    const path = join(folder(t), 'x.sock');
    const server = createServer(behaviour).listen({ path });
    t.teardown(() => server.close());
    const requester = new Requester({ kind: 'unix', path }, { timeoutMs: 5_000 });
    await t.rejects(requester.ask('GET', '/'), { code: 'LB4_ADMIN', message: /^cannot ask unix:[^\n]+$/ });
  }
});

t.test('what has no services is no status of lb4', async t => {
  for (const json of [
    [],
    {},
    null,
    { name: 'x' },
    { name: 'x', services: [{ name: 'a' }] },
    { name: 'x', services: [{ name: 'a', backends: [{}] }] },
  ]) {
    const { path } = await asking(t, [200, json]);
    const client = new AdminClient({ kind: 'unix', path });
    await t.rejects(
      client.status(),
      { code: 'LB4_ADMIN', message: /does not answer like lb4/ },
      JSON.stringify(json),
    );
  }
  const good = instanceStatus([]);
  const { path } = await asking(t, [200, good]);
  t.same(await new AdminClient({ kind: 'unix', path }).status(), good);
});

t.test('names are encoded in paths', async t => {
  const { path, requests } = await fakeAdmin(t, () => [200, { closing: 3, connections: [], total: 0 }]);
  const client = new AdminClient({ kind: 'unix', path });
  t.equal(await client.close('a', 'unix:/run/a b.sock', '5/s'), 3);
  await client.remove('a', '../../x?y#z');
  await client.connections('a', { backend: 'x/y&z', limit: 5 });
  t.same(
    requests.map(({ method, url, body }: Request) => [method, url, body]),
    [
      ['POST', '/services/a/backends/unix%3A%2Frun%2Fa%20b.sock/close', '{"rate":"5/s"}'],
      ['DELETE', '/services/a/backends/..%2F..%2Fx%3Fy%23z', ''],
      ['GET', '/services/a/connections?backend=x%2Fy%26z&limit=5', ''],
    ],
  );
});

import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Guard } from '../../src/admin/guard.js';
import { parseConfigObject } from '../../src/config/parse.js';
import { startAdministered } from '../fixtures/api.js';
import { backend, says } from '../fixtures/backends.js';
import { oneService } from '../fixtures/balancer.js';
import { client } from '../fixtures/clients.js';
import { folder } from '../fixtures/program.js';

const TOKEN = 'correct-horse-battery';
const BEARER = { authorization: `Bearer ${TOKEN}` };

async function overTcp(t: Test, listen: string, token?: string) {
  const behind = await backend(t, says('a'));
  const token_file = join(folder(t), 'token');
  if (token !== undefined) writeFileSync(token_file, `${token}\n`);
  const input = {
    ...oneService({ backends: [behind.address] }),
    admin: { listen, ...(token !== undefined && { token_file }) },
  };
  return { ...(await startAdministered(t, input)), token_file, input };
}

t.test('loopback needs no token; Host has to be an address or localhost', async t => {
  const lb = await overTcp(t, '127.0.0.1:0');
  t.match(lb.admin.address, /^127\.0\.0\.1:[1-9]/);
  const port = lb.admin.address!.split(':')[1];
  const good = [
    '127.0.0.1',
    `127.0.0.1:${port}`,
    `localhost:${port}`,
    'LOCALHOST',
    '[::1]:80',
    '127.9.9.9:1',
  ];
  for (const host of good) t.equal((await lb.api('GET', '/status', undefined, { host })).status, 200, host);
  const bad = ['evil.example', `evil.example:${port}`, '127.0.0.1.evil.example', 'localhost.evil.example'];
  for (const host of [...bad, '127.0.0.1:80@evil.example', '[evil.example]']) {
    for (const url of ['/status', '/livez', '/openapi.json', '/nothing']) {
      t.match(
        await lb.api('GET', url, undefined, { host }),
        { status: 403, json: { error: /expected a Host header/ } },
        `${host} ${url}`,
      );
    }
  }
});

t.test('requests of other web pages are refused', async t => {
  const lb = await overTcp(t, '127.0.0.1:0');
  const host = lb.admin.address!;
  const post = (origin: string) => lb.api('POST', '/reload', undefined, { origin });
  for (const origin of [
    'http://evil.example',
    'null',
    'http://127.0.0.1',
    `https://${host}`,
    `http://${host}.x`,
  ]) {
    t.match(await post(origin), { status: 403, json: { error: /other web pages/ } }, origin);
  }
  t.equal((await post(`http://${host}`)).status, 500, 'its own pages may: this one has no reload behind it');
});

t.test('with a token: what tells something needs it, probes do not', async t => {
  const lb = await overTcp(t, '127.0.0.1:0', TOKEN);
  for (const authorization of ['', TOKEN, 'Bearer', 'Bearer wrong', `Basic ${TOKEN}`, `Bearer ${TOKEN}x`]) {
    const headers = { authorization };
    for (const [method, url] of [
      ['GET', '/status'],
      ['POST', '/reload'],
      ['GET', '/openapi.json'],
      ['GET', '/x'],
    ]) {
      t.match(
        await lb.api(method!, url!, undefined, headers),
        { status: 403, json: { error: 'expected Authorization: Bearer with the token' } },
        `${authorization} ${url}`,
      );
    }
    t.equal((await lb.api('GET', '/livez', undefined, headers)).status, 200);
  }
  t.equal((await lb.api('GET', '/status', undefined, BEARER)).status, 200);
  t.equal((await lb.api('GET', '/status', undefined, { authorization: `bearer ${TOKEN}` })).status, 200);
  t.equal((await lb.api('GET', '/x', undefined, BEARER)).status, 404);
  const named = { ...BEARER, host: 'lb.example' };
  t.equal(
    (await lb.api('GET', '/status', undefined, named)).status,
    200,
    'any name will do for who knows the token',
  );
  const cross = { ...BEARER, origin: 'http://evil.example' };
  t.equal((await lb.api('GET', '/status', undefined, cross)).status, 403);
});

t.test('another token in the file is taken by the next reload, in place', async t => {
  const lb = await overTcp(t, '127.0.0.1:0', TOKEN);
  const { address } = lb.admin;
  writeFileSync(lb.token_file, 'another-token-of-length');
  t.equal((await lb.api('GET', '/status', undefined, BEARER)).status, 200, 'not before');
  (await lb.admin.prepare(parseConfigObject(lb.input))).commit();
  t.equal(lb.admin.address, address);
  t.equal((await lb.api('GET', '/status', undefined, BEARER)).status, 403);
  const fresh = { authorization: 'Bearer another-token-of-length' };
  t.equal((await lb.api('GET', '/status', undefined, fresh)).status, 200);
});

t.test('a token that every user of the machine can read is told of', async t => {
  const lb = await overTcp(t, '127.0.0.1:0', TOKEN);
  const warnings = () => lb.log.all.filter(({ msg }) => /can read the admin token/.test(msg)).length;
  t.equal(warnings(), 1);
  const prepare = () => lb.admin.prepare(parseConfigObject(lb.input));
  await (await prepare()).abandon();
  t.equal(warnings(), 1, 'once for each time that it is taken');
  chmodSync(lb.token_file, 0o640);
  (await prepare()).commit();
  t.equal(warnings(), 1);
  chmodSync(lb.token_file, 0o644);
  (await prepare()).commit();
  t.equal(warnings(), 2);
});

t.test('IPv6', async t => {
  const lb = await overTcp(t, '[::1]:0');
  t.match(lb.admin.address, /^\[::1\]:[1-9]/);
  t.equal((await lb.api('GET', '/status')).status, 200);
});

t.test('silent connections do not keep others out for long', async t => {
  const lb = await overTcp(t, '127.0.0.1:0');
  const port = Number(lb.admin.address!.split(':')[1]);
  const start = Date.now();
  const silent = Array.from({ length: 24 }, () => client(t, port));
  const refused = client(t, port);
  await refused.end();
  t.ok(Date.now() - start < 4_000, 'one more is not let in');
  for (const peer of silent) await peer.end();
  t.ok(Date.now() - start > 4_000, 'they had some time');
  t.equal((await lb.api('GET', '/livez')).status, 200);
});

t.test('tokens that are none', async t => {
  await t.rejects(overTcp(t, '127.0.0.1:0', 'short'), {
    code: 'LB4_CONFIG',
    message: /token admin\.token_file: expected at least 16 characters, got 5$/,
  });
  await t.rejects(overTcp(t, '127.0.0.1:0', 'one long token and\nanother'), { message: /expected one word/ });
  await t.rejects(overTcp(t, '127.0.0.1:0', ''), { message: /at least 16 characters, got 0/ });
});

t.test('an address in use is said to be so', async t => {
  const taken = await backend(t, says('x'));
  await t.rejects(overTcp(t, taken.address), {
    code: 'LB4_LISTEN',
    message: `admin interface: cannot listen on ${taken.address}: address already in use`,
  });
});

t.test('a guard of a unix socket asks nothing', async t => {
  t.equal(new Guard(false, undefined).check({ host: 'x', origin: 'http://evil' }, false), '');
  t.equal(
    new Guard(true, undefined).check({}, true),
    'expected a Host header with an IP address or localhost',
  );
});

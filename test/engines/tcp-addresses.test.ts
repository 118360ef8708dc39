import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { backend, echo, says } from '../fixtures/backends.js';
import { config, oneService, startBalancer } from '../fixtures/balancer.js';
import { noise, sha } from '../fixtures/bytes.js';
import { ask, client } from '../fixtures/clients.js';
import { folder } from '../fixtures/program.js';

t.test('allow and deny: deny wins, an empty allow is everyone', async t => {
  const server = await backend(t, says('in'));
  const lb = await startBalancer(
    t,
    config({
      strict: {
        listen: '127.0.0.1:0',
        backends: [server.address],
        allow: ['127.0.0.0/29', '::1'],
        deny: ['127.0.0.3', '127.0.0.5/32'],
      },
      open: { listen: '127.0.0.1:0', backends: [server.address], deny: ['127.0.0.3'] },
    }),
  );
  const from = (address: string, service: string) => ask(t, lb.port(service), '', { from: address });
  t.equal(await from('127.0.0.1', 'strict'), 'in');
  t.equal(await from('127.0.0.2', 'strict'), 'in');
  t.equal(await from('127.0.0.3', 'strict'), '');
  t.equal(await from('127.0.0.5', 'strict'), '');
  t.equal(await from('127.0.0.9', 'strict'), '', 'not in allow');
  t.equal(await from('127.0.0.9', 'open'), 'in');
  t.equal(await from('127.0.0.3', 'open'), '');
  const lines = await lb.log.finished(7);
  const denied = lines.filter(({ reason }) => reason === 'denied');
  t.same(denied.map(({ client }) => client.replace(/:\d+$/, '')).sort(), [
    '127.0.0.3',
    '127.0.0.3',
    '127.0.0.5',
    '127.0.0.9',
  ]);
  t.ok(denied.every(({ backend, attempts }) => backend === '' && attempts === 0));
});

t.test('unix sockets on both sides', async t => {
  const dir = folder(t);
  const listen = join(dir, 'front.sock');
  const server = await backend(t, echo, { path: join(dir, 'back.sock') });
  const lb = await startBalancer(t, oneService({ listen: `unix:${listen}`, backends: [server.address] }));
  const data = noise(2_000_000);
  const peer = client(t, { path: listen });
  peer.finish(data);
  t.equal(await peer.end(), 'FIN');
  t.equal(peer.sha, sha(data));
  t.match(await lb.log.only(), { backend: server.address, bytes_in: 2_000_000, bytes_out: 2_000_000 });
  await lb.balancer.destroy();
  t.notOk(existsSync(listen), 'the socket file is gone');
});

t.test('a unix listener with a TCP backend, and a unix backend that is not there', async t => {
  const dir = folder(t);
  const server = await backend(t, echo);
  const path = join(dir, 'front.sock');
  const lb = await startBalancer(
    t,
    oneService({
      listen: `unix:${path}`,
      backends: [`unix:${join(dir, 'nobody')}`, server.address],
      strategy: 'first',
    }),
  );
  t.equal(await ask(t, { path }, 'through'), 'through');
  t.match(await lb.log.only(), { attempts: 2, backend: server.address });
});

const hasIpv6 = Object.values(networkInterfaces()).some(list =>
  list?.some(({ address }) => address === '::1'),
);

t.test('IPv6 on both sides', { skip: !hasIpv6 && 'no ::1 here' }, async t => {
  const server = await backend(t, echo, { host: '::1' });
  const lb = await startBalancer(
    t,
    oneService({ listen: '[::1]:0', backends: [server.address], allow: ['::1/128'] }),
  );
  t.equal(await ask(t, { host: '::1', port: lb.port() }, 'six'), 'six');
  const line = await lb.log.only();
  t.match(line.client, /^\[::1\]:\d+$/);
  t.equal(line.backend, server.address);
});

t.test('a bare port takes IPv4 and IPv6, and names IPv4 clients as such', { skip: !hasIpv6 }, async t => {
  const server = await backend(t, says('both'));
  const lb = await startBalancer(t, oneService({ listen: ':0', backends: [server.address] }));
  t.equal(await ask(t, lb.port()), 'both');
  t.equal(await ask(t, { host: '::1', port: lb.port() }), 'both');
  const lines = await lb.log.finished(2);
  t.match(lines[0]!.client, /^127\.0\.0\.1:\d+$/);
  t.match(lines[1]!.client, /^\[::1\]:\d+$/);
});

t.test('a file that is no socket is never replaced by one', async t => {
  const path = join(folder(t), 'precious');
  writeFileSync(path, 'gold');
  const server = await backend(t, echo);
  const starting = startBalancer(t, oneService({ listen: `unix:${path}`, backends: [server.address] }));
  await t.rejects(starting, {
    code: 'LB4_LISTEN',
    message: `cannot listen on unix:${path}: there is a file that is no socket`,
  });
  t.equal(readFileSync(path, 'utf8'), 'gold');
});

import { join } from 'node:path';
import t from 'tap';
import { backend, type TestBackend } from '../fixtures/backends.js';
import { config, oneService, startBalancer } from '../fixtures/balancer.js';
import { client } from '../fixtures/clients.js';
import type { TestPeer } from '../fixtures/peer.js';
import { folder } from '../fixtures/program.js';
import { type Header, readHeader, v1, v2 } from '../fixtures/proxy-header.js';
import { until } from '../fixtures/until.js';

/** A backend that answers `ok` to whatever comes behind the header. */
function proxied(t: Parameters<typeof backend>[0]): Promise<TestBackend> {
  return backend(t, peer => {
    peer.socket.once('data', () => peer.socket.write('ok'));
    peer.socket.on('end', () => peer.finish());
  });
}

/** The header, once it and `behind` bytes of data are there: they may come one after the other. */
function headerOf(peer: TestPeer, behind = 0): Promise<Header> {
  return until('a header', () => {
    const header = readHeader(peer.bytes);
    return header !== undefined && header.rest.length >= behind ? header : undefined;
  });
}

for (const version of ['v1', 'v2'] as const) {
  for (const host of ['127.0.0.1', '::1']) {
    t.test(`send = ${version} over ${host}: who it is and where it connected to`, async t => {
      const behind = await proxied(t);
      const listen = host === '::1' ? '[::1]:0' : '127.0.0.1:0';
      const lb = await startBalancer(
        t,
        oneService({ listen, backends: [behind.address], proxy_protocol: { send: version } }),
      );
      const peer = client(t, { host, port: lb.port() });
      await peer.write('hello');
      await peer.reads(2);
      const header = await headerOf(behind.peers[0]!, 5);
      const long = '0000:0000:0000:0000:0000:0000:0000:0001';
      const text = host === '::1' && version === 'v2' ? long : host;
      t.match(header, {
        version: version === 'v1' ? 1 : 2,
        local: false,
        source: `${text} ${peer.socket.localPort}`,
        destination: `${text} ${lb.port()}`,
      });
      t.equal(header.rest.toString(), 'hello', 'the data comes right behind');
      peer.finish();
      t.match(await lb.log.only(), { bytes_in: 5, bytes_out: 2 });
    });
  }

  t.test(`send = ${version}: the header goes ahead even where the client says nothing`, async t => {
    const behind = await backend(t, peer => void peer.socket.once('data', () => peer.finish('220 ready')));
    const lb = await startBalancer(
      t,
      oneService({ backends: [behind.address], proxy_protocol: { send: version } }),
    );
    const peer = client(t, lb.port());
    await peer.end();
    t.equal(peer.text, '220 ready');
    t.equal((await headerOf(behind.peers[0]!)).rest.length, 0);
  });

  t.test(`send = ${version}: each attempt gets its own header`, async t => {
    const behind = await proxied(t);
    const lb = await startBalancer(
      t,
      oneService({
        strategy: 'first',
        backends: ['127.0.0.1:1', behind.address],
        proxy_protocol: { send: version },
      }),
    );
    const peer = client(t, lb.port());
    await peer.write('x');
    await peer.reads(2);
    t.equal((await headerOf(behind.peers[0]!, 1)).rest.toString(), 'x');
  });

  t.test(`accept any, send ${version}: a chain tells of the first client`, async t => {
    const behind = await proxied(t);
    const lb = await startBalancer(
      t,
      oneService({
        backends: [behind.address],
        proxy_protocol: { accept: 'any', accept_from: ['127.0.0.1'], send: version },
      }),
    );
    for (const header of [
      v1('198.51.100.7', 56324, '203.0.113.5', 443),
      v2('198.51.100.7', 56324, '203.0.113.5', 443),
    ]) {
      const peer = client(t, lb.port());
      await peer.write(Buffer.concat([header, Buffer.from('hello')]));
      await peer.reads(2);
      const told = await headerOf(behind.peers.at(-1)!, 5);
      t.match(told, { source: '198.51.100.7 56324', destination: '203.0.113.5 443', local: false });
      t.equal(told.rest.toString(), 'hello');
    }
    const local = client(t, lb.port());
    await local.write('PROXY UNKNOWN\r\nhello');
    await local.reads(2);
    t.match(
      await headerOf(behind.peers.at(-1)!),
      { source: `127.0.0.1 ${local.socket.localPort}`, destination: `127.0.0.1 ${lb.port()}` },
      'UNKNOWN: the connection’s own addresses',
    );
  });

  t.test(`send = ${version}: two instances in a row`, async t => {
    const behind = await proxied(t);
    const inner = await startBalancer(
      t,
      oneService({
        backends: [behind.address],
        proxy_protocol: { accept: version, accept_from: ['127.0.0.0/8'], send: version },
      }),
    );
    const outer = await startBalancer(
      t,
      oneService({ backends: [`127.0.0.1:${inner.port()}`], proxy_protocol: { send: version } }),
    );
    const peer = client(t, outer.port());
    await peer.write('through both');
    await peer.reads(2);
    const header = await headerOf(behind.peers[0]!, 12);
    t.match(header, {
      source: `127.0.0.1 ${peer.socket.localPort}`,
      destination: `127.0.0.1 ${outer.port()}`,
    });
    t.equal(header.rest.toString(), 'through both');
    peer.finish();
    t.equal((await inner.log.only()).client, (await outer.log.only()).client);
  });

  t.test(`send = ${version}: probes say that they stand for no client`, async t => {
    const behind = await proxied(t);
    const lb = await startBalancer(
      t,
      oneService({
        backends: [behind.address],
        proxy_protocol: { send: version },
        health: { kind: 'tcp', interval: '50ms' },
      }),
    );
    await until('up', () => lb.service().backends[0]!.state === 'up');
    const header = await headerOf(behind.peers[0]!);
    t.match(header, { local: true, version: version === 'v1' ? 1 : 2 });
    t.equal(header.rest.length, 0);
  });
}

t.test('a mixed pair of addresses is sent as IPv6', async t => {
  const behind = await proxied(t);
  const lb = await startBalancer(
    t,
    oneService({
      backends: [behind.address],
      proxy_protocol: { accept: 'v2', accept_from: ['127.0.0.1'], send: 'v2' },
    }),
  );
  const peer = client(t, lb.port());
  const full = '2001:0db8:0000:0000:0000:0000:0000:0001';
  await peer.write(
    Buffer.concat([v2(full, 1, '0000:0000:0000:0000:0000:ffff:0a00:0001', 2), Buffer.from('x')]),
  );
  await peer.reads(2);
  t.match(await headerOf(behind.peers[0]!), {
    source: `${full} 1`,
    destination: '0000:0000:0000:0000:0000:ffff:0a00:0001 2',
  });
});

t.test('a dual-stack listener tells of IPv4 clients as IPv4', async t => {
  const behind = await proxied(t);
  const lb = await startBalancer(
    t,
    oneService({ listen: '0', backends: [behind.address], proxy_protocol: { send: 'v1' } }),
  );
  const peer = client(t, { host: '127.0.0.1', port: lb.port() });
  await peer.write('x');
  await peer.reads(2);
  t.match(await headerOf(behind.peers[0]!), {
    source: `127.0.0.1 ${peer.socket.localPort}`,
    destination: `127.0.0.1 ${lb.port()}`,
  });
});

t.test('a client on a unix socket has no address: UNKNOWN', async t => {
  const behind = await proxied(t);
  const path = join(folder(t), 'lb4.sock');
  for (const version of ['v1', 'v2'] as const) {
    const lb = await startBalancer(
      t,
      config({
        main: {
          listen: `unix:${path}${version}`,
          health: { kind: 'none' },
          backends: [behind.address],
          proxy_protocol: { send: version },
        },
      }),
    );
    const peer = client(t, { path: `${path}${version}` });
    await peer.write('x');
    await peer.reads(2);
    t.match(await headerOf(behind.peers.at(-1)!), { local: true });
    t.equal(lb.service().active, 1);
  }
});

t.test('a unix listener may accept headers, and then the client has an address', async t => {
  const behind = await proxied(t);
  const path = join(folder(t), 'lb4.sock');
  const lb = await startBalancer(
    t,
    oneService({
      listen: `unix:${path}`,
      backends: [behind.address],
      proxy_protocol: { accept: 'any', accept_from: ['127.0.0.1'], send: 'v1' },
    }),
  );
  const peer = client(t, { path });
  await peer.write(Buffer.concat([v1('198.51.100.7', 5, '203.0.113.5', 443), Buffer.from('x')]));
  await peer.reads(2);
  t.match(await headerOf(behind.peers[0]!), { source: '198.51.100.7 5' });
  t.equal(lb.service().active, 1);
});

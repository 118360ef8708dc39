import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { localAddress, socketOf, unixPath } from '../../src/service-manager/proc-sockets.js';
import { folder } from '../fixtures/program.js';

/** Node keeps descriptors to itself, but tells its handle. */
function descriptor(of: Server | ReturnType<typeof createSocket>): number {
  const handle = (of as unknown as { _handle?: { fd: number } })._handle;
  if (handle !== undefined) return handle.fd;
  const symbol = Object.getOwnPropertySymbols(of).find(one => String(one).includes('state symbol'))!;
  return (of as unknown as Record<symbol, { handle: { fd: number } }>)[symbol]!.handle.fd;
}

async function listening(t: Test, options: object): Promise<Server> {
  const server = createServer().listen(options);
  await once(server, 'listening');
  t.teardown(() => server.close());
  return server;
}

const skip = process.platform !== 'linux' && 'there is no /proc';

t.test('a descriptor is what it is bound to', { skip }, async t => {
  for (const host of ['127.0.0.1', '::1', '::']) {
    const server = await listening(t, { port: 0, host });
    const { port } = server.address() as { port: number };
    t.strictSame(socketOf(descriptor(server)), { protocol: 'tcp', address: { kind: 'ip', host, port } });
  }
  const socket = createSocket('udp4');
  t.teardown(() => socket.close());
  socket.bind(0, '127.0.0.2');
  await once(socket, 'listening');
  t.strictSame(socketOf(descriptor(socket)), {
    protocol: 'udp',
    address: { kind: 'ip', host: '127.0.0.2', port: socket.address().port },
  });
  const path = join(folder(t), 'a socket');
  const server = await listening(t, { path });
  t.strictSame(socketOf(descriptor(server)), { protocol: 'tcp', address: { kind: 'unix', path } });
});

t.test('what is no socket is none', { skip }, async t => {
  t.equal(socketOf(100_000), undefined);
  const [file] = await Promise.all([import('node:fs')]);
  const fd = file.openSync('/dev/null', 'r');
  t.teardown(() => file.closeSync(fd));
  t.equal(socketOf(fd), undefined);
});

t.test('tables that say nothing of the socket, or nonsense', async t => {
  t.equal(localAddress('', '5'), undefined);
  t.equal(localAddress('a b c\n\n', '5'), undefined);
  t.equal(unixPath('Num RefCount\n0: 1 2 3 0002 01 5 /dgram', '5'), undefined, 'not a stream');
});

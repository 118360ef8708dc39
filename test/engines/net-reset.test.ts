import { connect, createServer, type Socket } from 'node:net';
import t from 'tap';
import { Peer } from '../../src/address.js';
import { NetConn } from '../../src/engines/net/conn.js';
import { TimerWheel } from '../../src/timer-wheel.js';
import { until } from '../fixtures/until.js';

t.test('a reset in the very turn in which FIN was sent closes the socket', async t => {
  let there: Socket | undefined;
  const server = createServer({ allowHalfOpen: true }, socket => {
    there = socket.on('error', () => {}).resume();
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    there?.destroy();
    server.close();
  });
  const { port } = server.address() as { port: number };
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  await until('connected', () => there !== undefined && !socket.connecting);
  const conn = new NetConn(socket, new Peer(), true, new TimerWheel(0, 10), 0);
  socket.end();
  conn.reset();
  await until('closed', () => conn.closed, 5_000);
  // Behind a FIN a reset shows when the other end writes.
  there!.write('anybody there?');
  await until('the other end noticed', () => there!.errored, 5_000);
});

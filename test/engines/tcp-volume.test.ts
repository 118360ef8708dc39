import type { Socket } from 'node:net';
import t from 'tap';
import { backend, echo, flood, named } from '../fixtures/backends.js';
import { oneService, startBalancer } from '../fixtures/balancer.js';
import { noise, shaOfCopies } from '../fixtures/bytes.js';
import { client } from '../fixtures/clients.js';
import { memoryOf } from '../fixtures/process.js';
import { startProgram } from '../fixtures/program.js';
import { holds, until } from '../fixtures/until.js';

const MB = 1_000_000;
const BLOCK = noise(MB);

/** Write `copies` of the block as fast as it is taken, then FIN. */
function pour(socket: Socket, copies: number): void {
  let left = copies;
  const push = (): void => {
    while (left > 0) {
      left--;
      if (!socket.write(BLOCK)) break;
    }
    if (left === 0) socket.end();
    else socket.once('drain', push);
  };
  push();
}

t.test('200 MB both ways at once arrive as they were', async t => {
  const server = await backend(t, ({ socket }) => pour(socket, 200));
  const lb = await startBalancer(t, oneService({ backends: [server.address] }));
  const peer = client(t, lb.port());
  pour(peer.socket, 200);
  t.equal(await peer.end(60_000), 'FIN');
  const there = server.peers[0]!;
  t.equal(await there.end(60_000), 'FIN');
  const whole = shaOfCopies(BLOCK, 200);
  t.equal(peer.sha, whole);
  t.equal(there.sha, whole);
  t.match(await lb.log.only(), { bytes_in: 200 * MB, bytes_out: 200 * MB });
  t.match(lb.service().backends[0], { bytes_in: 200 * MB, bytes_out: 200 * MB });
});

t.test('a server that speaks first is heard before the client says anything', async t => {
  const server = await backend(t, named('220 ready\r\n'));
  const lb = await startBalancer(t, oneService({ backends: [server.address] }));
  const peer = client(t, lb.port());
  await peer.reads(11);
  t.equal(peer.text, '220 ready\r\n');
  peer.finish('QUIT\r\n');
  t.equal(await peer.end(), 'FIN');
  t.equal(peer.text, '220 ready\r\nQUIT\r\n');
});

t.test('a client that speaks before its backend is connected is heard', async t => {
  const server = await backend(t, echo);
  const lb = await startBalancer(t, oneService({ backends: [server.address] }));
  const peer = client(t, lb.port());
  const early = noise(300_000, 9);
  peer.finish(early);
  t.equal(await peer.end(), 'FIN');
  t.ok(peer.bytes.equals(early));
});

t.test('20 stuck readers: the sender is stopped, memory stays bounded, and they can go on', async t => {
  const server = await backend(t, flood);
  const lb = await startProgram(t, oneService({ backends: [server.address] }));
  const before = memoryOf(lb.pid);
  const readers = Array.from({ length: 20 }, () => client(t, lb.port(), { paused: true }));
  await until('20 connections', () => server.peers.length === 20);
  const sent = (): number =>
    server.peers.reduce((sum, { socket }) => sum + socket.bytesWritten - socket.writableLength, 0);
  await until(
    'the senders stand still',
    async () => {
      const then = sent();
      await holds('a while', () => true, 500);
      return then > 0 && sent() === then;
    },
    60_000,
  );
  const grown = memoryOf(lb.pid) - before;
  t.ok(grown < 48 * MB, `${Math.round(grown / MB)} MB more for ${Math.round(sent() / MB)} MB in the kernel`);
  const stood = sent();
  for (const { socket } of readers) socket.resume();
  await until('it flows again', () => sent() > stood + 20 * MB);
  for (const { socket } of readers) socket.destroy();
  const lines = await lb.log.finished(20);
  t.equal(lines.length, 20);
});

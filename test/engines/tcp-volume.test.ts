import { readdirSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { backend, echo, flood, named, sink } from '../fixtures/backends.js';
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

t.test('bursts with pauses between them arrive whole, the last byte too', async t => {
  const server = await backend(t, echo);
  const lb = await startBalancer(t, oneService({ backends: [server.address] }));
  const peer = client(t, lb.port());
  const burst = noise(3_000_000, 21);
  for (let round = 1; round <= 12; round++) {
    // Of every size around what makes traffic bulk traffic.
    const bytes = round * 250_000;
    const before = peer.received;
    peer.socket.write(burst.subarray(0, bytes));
    await peer.reads(before + bytes);
    await holds('a pause', () => peer.received === before + bytes, 20);
  }
  peer.finish();
  t.equal(await peer.end(), 'FIN');
  t.match(await lb.log.only(), {
    bytes_in: peer.received,
    bytes_out: peer.received,
    reason: 'client_closed',
  });
});

t.test('when bulk traffic stops nothing goes on ticking', { skip: process.platform !== 'linux' }, async t => {
  const server = await backend(t, sink);
  const lb4 = await startProgram(t, oneService({ backends: [server.address] }));
  const peer = client(t, lb4.port());
  for (let i = 0; i < 100; i++) peer.socket.write(BLOCK);
  await until('all of it', () => server.peers[0]?.received === 100 * MB);
  // It wakes up now and then, and far less often than bulk traffic is looked at.
  const switches = () =>
    readdirSync(`/proc/${lb4.pid}/task`)
      .map(task => readFileSync(`/proc/${lb4.pid}/task/${task}/status`, 'utf8'))
      .reduce((sum, status) => sum + Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)![1]), 0);
  const sleeps = async (): Promise<boolean> => {
    const before = switches();
    await sleep(500);
    return switches() - before < 250;
  };
  t.ok(await until('it sleeps', sleeps, 5_000));
});

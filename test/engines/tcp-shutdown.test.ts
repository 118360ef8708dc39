import { connect } from 'node:net';
import t, { type Test } from 'tap';
import { backend, echo, type TestBackend } from '../fixtures/backends.js';
import { oneService } from '../fixtures/balancer.js';
import { client } from '../fixtures/clients.js';
import type { TestPeer } from '../fixtures/peer.js';
import { type Program, startProgram } from '../fixtures/program.js';
import { until } from '../fixtures/until.js';

interface Scene {
  readonly lb: Program;
  readonly server: TestBackend;
  readonly port: number;
}

async function scene(t: Test, drain_timeout: string): Promise<Scene> {
  const server = await backend(t, echo);
  const lb = await startProgram(t, oneService({ backends: [server.address] }, { drain_timeout }));
  return { lb, server, port: lb.port() };
}

async function opened(t: Test, port: number): Promise<TestPeer> {
  const peer = client(t, port);
  await peer.write('hello');
  await peer.reads(5);
  return peer;
}

function refused(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const probe = connect(port, '127.0.0.1');
    probe.on('connect', () => {
      probe.destroy();
      resolve(false);
    });
    probe.on('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(
    `${signal}: accepts nothing more, lets connections finish, closes the rest at the deadline`,
    async t => {
      const { lb, port } = await scene(t, '1500ms');
      const finishing = await opened(t, port);
      const staying = await opened(t, port);
      const started = performance.now();
      lb.child.kill(signal);
      await until('new connections are refused', () => refused(port));
      const bytes = Buffer.alloc(1_000_000, 'z');
      finishing.finish(bytes);
      t.equal(await finishing.end(), 'FIN');
      t.equal(finishing.received, bytes.length + 5, 'it could finish');
      t.equal(lb.exit, undefined, 'the other one is still open');
      await staying.end();
      const took = performance.now() - started;
      t.ok(took >= 1_400, `${took} ms`);
      t.equal(await lb.exited(), 0);
      // A probe may have been accepted before the signal came.
      const lines = lb.log.connections.filter(({ bytes_in }) => bytes_in > 0);
      t.same(
        lines.map(({ reason }) => reason),
        ['client_closed', 'shutdown'],
      );
      t.match(lb.log.all.at(-1)?.msg, 'bye');
    },
  );
}

t.test('without connections it ends at once', async t => {
  const { lb, port } = await scene(t, '1h');
  const peer = await opened(t, port);
  peer.socket.destroy();
  await lb.log.finished(1);
  lb.child.kill('SIGTERM');
  t.equal(await lb.exited(), 0);
});

t.test('it ends as soon as the last connection is over', async t => {
  const { lb, port } = await scene(t, '1h');
  const peer = await opened(t, port);
  lb.child.kill('SIGTERM');
  await until('new connections are refused', () => refused(port));
  await peer.write(' again');
  await peer.reads(11);
  peer.finish();
  t.equal(await lb.exited(), 0);
  t.match(lb.log.connections.at(-1), { reason: 'client_closed', bytes_in: 11 });
});

t.test('a second signal ends it now', async t => {
  const { lb, port } = await scene(t, '1h');
  const peer = await opened(t, port);
  lb.child.kill('SIGTERM');
  await until('new connections are refused', () => refused(port));
  t.equal(lb.exit, undefined);
  lb.child.kill('SIGTERM');
  t.equal(await lb.exited(), 0);
  await peer.end();
});

t.test('the rest is closed paced, all of it', async t => {
  const { lb, port, server } = await scene(t, '200ms');
  const peers = await Promise.all(Array.from({ length: 200 }, () => opened(t, port)));
  lb.child.kill('SIGTERM');
  for (const peer of peers) await peer.end();
  t.equal(await lb.exited(), 0);
  const lines = lb.log.connections;
  t.equal(lines.length, 200);
  t.ok(lines.every(({ reason }) => reason === 'shutdown'));
  await until('the backend has none', () => server.open === 0);
});

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { findInstance, liveInstances } from '../../src/client/instances.js';
import { folder } from '../fixtures/program.js';

async function listening(t: Test, path: string): Promise<void> {
  const server = createServer(socket => socket.on('error', () => {})).listen({ path });
  t.teardown(() => server.close());
  await once(server, 'listening');
}

/** The socket of a process that was killed. */
function stale(path: string): void {
  const script = `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script, path]);
}

t.test('the only one that lives is found; stale sockets and other files are passed over', async t => {
  const dir = folder(t);
  stale(join(dir, 'dead.sock'));
  writeFileSync(join(dir, 'file.sock'), '');
  await listening(t, join(dir, 'edge.sock'));
  await listening(t, join(dir, 'edge.sock.123'));
  t.same(await liveInstances(dir), [{ name: 'edge', path: join(dir, 'edge.sock') }]);
  t.same(await findInstance(undefined, dir), { kind: 'unix', path: join(dir, 'edge.sock') });
  t.same(await findInstance('edge', dir), { kind: 'unix', path: join(dir, 'edge.sock') });
  await t.rejects(findInstance('dead', dir), { message: 'no instance "dead" runs; there is edge' });
});

t.test('none', async t => {
  const dir = folder(t);
  const message = `no running instance found in ${dir}; one that listens elsewhere is named by --admin unix:/path or --admin HOST:PORT`;
  await t.rejects(findInstance(undefined, dir), { code: 'LB4_ADMIN', message });
  const nowhere = join(dir, 'nowhere');
  await t.rejects(findInstance('edge', nowhere), {
    code: 'LB4_ADMIN',
    message: `no instance "edge" runs (looked in ${nowhere})`,
  });
});

t.test('several', async t => {
  const dir = folder(t);
  for (const name of ['two', 'one']) await listening(t, join(dir, `${name}.sock`));
  await t.rejects(findInstance(undefined, dir), {
    code: 'LB4_ADMIN',
    message: 'several instances run: one, two; choose one with --name',
  });
  await t.rejects(findInstance('tow', dir), {
    message: 'no instance "tow" runs (did you mean "two"?); there is one, two',
  });
  t.same(await findInstance('two', dir), { kind: 'unix', path: join(dir, 'two.sock') });
});

import { chmodSync, existsSync, lstatSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { adminDirectory, adminSocketPath, formatAdmin } from '../../src/admin/address.js';
import { listenUnix, ownDirectory } from '../../src/admin/unix-socket.js';
import { startAdministered } from '../fixtures/api.js';
import { backend, says } from '../fixtures/backends.js';
import { oneService } from '../fixtures/balancer.js';
import { folder } from '../fixtures/program.js';

/** A server that is closed after the test. */
function server(t: Parameters<typeof folder>[0]) {
  const one = createServer(socket => socket.end());
  t.teardown(() => one.close());
  return one;
}

t.test('only this user may connect, from the first moment on; the socket goes with its server', async t => {
  const path = join(folder(t), 'a.sock');
  const behind = await backend(t, says('a'));
  const lb = await startAdministered(t, {
    ...oneService({ backends: [behind.address] }),
    admin: { listen: `unix:${path}` },
  });
  t.equal(lb.admin.address, `unix:${path}`);
  t.equal(statSync(path).mode & 0o777, 0o600);
  t.ok(lstatSync(path).isSocket());
  await lb.admin.close();
  t.notOk(existsSync(path));
});

t.test('what a dead process left behind is replaced', async t => {
  const path = join(folder(t), 'a.sock');
  const dead = await listenUnix(server(t), [path]);
  const before = statSync(path).ino;
  const first = server(t);
  t.equal(await listenUnix(first, [path]), undefined, 'not while it lives');
  t.equal(statSync(path).ino, before);
  // A server whose path was taken away and put back is what a killed process leaves.
  dead!.remove();
  t.notOk(existsSync(path));
  const { spawnSync } = await import('node:child_process');
  const code = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', code]);
  t.ok(lstatSync(path).isSocket(), 'a stale socket');
  t.match(await listenUnix(server(t), [path]), { path });
  t.equal(statSync(path).mode & 0o777, 0o600);
});

t.test('the next free path is taken; what is no socket is left alone', async t => {
  const dir = folder(t);
  const [a, b, file] = ['a.sock', 'b.sock', 'file'].map(name => join(dir, name)) as [string, string, string];
  t.match(await listenUnix(server(t), [a, b]), { path: a });
  t.match(await listenUnix(server(t), [a, b]), { path: b });
  t.equal(await listenUnix(server(t), [a, b]), undefined);
  writeFileSync(file, 'precious');
  await t.rejects(listenUnix(server(t), [file]), {
    code: 'LB4_LISTEN',
    message: /there is a file that is no socket/,
  });
  t.equal(statSync(file).size, 8);
  await t.rejects(listenUnix(server(t), [join(dir, 'none', 'a.sock')]), {
    message: /cannot listen on unix:.*: (permission denied|no such file)/,
  });
});

t.test('a path that another process has taken over is left to it', async t => {
  const path = join(folder(t), 'a.sock');
  const first = await listenUnix(server(t), [path]);
  const other = server(t);
  const { renameSync } = await import('node:fs');
  await listenUnix(other, [`${path}.new`]);
  renameSync(`${path}.new`, path);
  const now = statSync(path).ino;
  first!.remove();
  t.equal(statSync(path).ino, now);
});

t.test('the default folder and path', async t => {
  const env = { XDG_RUNTIME_DIR: '/run/user/1000' };
  if (process.getuid?.() === 0) {
    t.equal(adminDirectory(env), '/run/lb4');
  } else {
    t.equal(adminDirectory(env), '/run/user/1000/lb4');
    t.match(adminDirectory({}), /lb4-\d+$/);
    t.match(adminDirectory({ XDG_RUNTIME_DIR: 'relative' }), /lb4-\d+$/);
  }
  t.equal(adminSocketPath('edge', undefined, env), join(adminDirectory(env), 'edge.sock'));
  t.equal(adminSocketPath('edge', 17, env), join(adminDirectory(env), 'edge-17.sock'));
  t.equal(formatAdmin({ kind: 'ip', host: '::1', port: 80 }), '[::1]:80');
});

t.test('a folder is made for its owner alone; one that others may write to is closed to them', async t => {
  const dir = folder(t);
  const fresh = join(dir, 'x', 'lb4');
  ownDirectory(fresh);
  t.equal(statSync(fresh).mode & 0o777, 0o700);
  const open = join(dir, 'open');
  mkdirSync(open);
  chmodSync(open, 0o777);
  ownDirectory(open);
  t.equal(statSync(open).mode & 0o777, 0o700);
  writeFileSync(join(dir, 'file'), '');
  t.throws(() => ownDirectory(join(dir, 'file')), { code: 'LB4_LISTEN' });
  if (process.getuid?.() === 0) {
    const { chownSync } = await import('node:fs');
    chownSync(open, 65534, 65534);
    t.throws(() => ownDirectory(open), { code: 'LB4_LISTEN', message: /expected a folder of this user/ });
  }
});

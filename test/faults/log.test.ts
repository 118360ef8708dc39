import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { backend, echo, freePort } from '../fixtures/backends.js';
import { oneService } from '../fixtures/balancer.js';
import { ask } from '../fixtures/clients.js';
import { MountedDisk } from '../fixtures/disk.js';
import { CLI, folder, START_MS, writeConfig } from '../fixtures/program.js';
import { until } from '../fixtures/until.js';

/** lb4 with its log to this descriptor; it serves once its port answers. */
async function start(t: Test, stdout: number | 'pipe', format = 'json') {
  const server = await backend(t, echo);
  const port = await freePort();
  const path = join(folder(t), 'lb4.toml');
  const input = oneService({ listen: `127.0.0.1:${port}`, backends: [server.address] });
  writeConfig(path, { ...input, log: { format: format as 'json' } });
  const child = spawn(process.execPath, [CLI, '-c', path], { stdio: ['ignore', stdout, 'pipe'] });
  t.teardown(() => child.kill('SIGKILL'));
  let stderr = '';
  child.stderr!.on('data', chunk => {
    stderr += String(chunk);
  });
  const answer = () => ask(t, port, 'ping').catch(() => '');
  /** So many connections, 20 at a time; all must be served. */
  const serve = async (count: number) => {
    let begun = 0;
    let served = 0;
    const loop = async () => {
      while (begun++ < count) if ((await answer()) === 'ping') served++;
    };
    await Promise.all(Array.from({ length: 20 }, loop));
    t.equal(served, count, 'all were served');
  };
  await until(
    'it serves',
    async () => {
      if (child.exitCode !== null) throw new Error(`it ended: ${stderr}`);
      return (await answer()) === 'ping';
    },
    START_MS,
  );
  return { child, serve, stderr: () => stderr };
}

for (const format of ['json', 'pretty']) {
  t.test(`a log that cannot be written at all (${format}) does not matter to the traffic`, async t => {
    const full = openSync('/dev/full', 'w');
    const lb = await start(t, full, format);
    closeSync(full);
    await lb.serve(50);
    lb.child.kill('SIGTERM');
    t.strictSame(await once(lb.child, 'exit'), [0, null], lb.stderr());
  });
}

const small = MountedDisk.make(t, 1 << 20);
const skip = small === undefined && 'MAY NOT MOUNT a tmpfs here';

t.test('the disk is full for a while: traffic goes on, the log is whole again', { skip }, async t => {
  const disk = small!;
  const file = join(disk.path, 'log');
  const log = openSync(file, 'a');
  const lb = await start(t, log);
  closeSync(log);
  const filler = join(disk.path, 'filler');
  const fd = openSync(filler, 'w');
  try {
    for (;;) writeSync(fd, Buffer.alloc(4_096));
  } catch (error) {
    t.match(error, { code: 'ENOSPC' });
  }
  closeSync(fd);
  await lb.serve(300);
  rmSync(filler);
  const lines = () =>
    readFileSync(file, 'utf8')
      .split('\n')
      .slice(0, -1)
      .map(line => JSON.parse(line));
  await until('the log caught up', () => {
    const text = readFileSync(file, 'utf8');
    return text.endsWith('\n') && lines().filter(({ msg }) => msg === 'connection').length >= 301;
  });
  t.ok(
    lines().every(line => typeof line.msg === 'string'),
    'every line is whole',
  );
  lb.child.kill('SIGTERM');
  t.strictSame(await once(lb.child, 'exit'), [0, null]);
});

t.test(
  'whoever reads the log stands still: traffic goes on, memory is bounded, losses are counted',
  async t => {
    const lb = await start(t, 'pipe');
    // Nobody has read anything so far; a pipe holds 64 kB.
    await lb.serve(400);
    let text = '';
    lb.child.stdout!.on('data', chunk => {
      text += String(chunk);
    });
    const connections = () => text.split('\n').filter(line => line.includes('"msg":"connection"')).length;
    await until('all lines came', () => connections() >= 401);
    lb.child.kill('SIGTERM');
    t.strictSame(await once(lb.child, 'exit'), [0, null], lb.stderr());
  },
);

t.test('whoever reads the log stands still for good: it can be ended all the same', async t => {
  const lb = await start(t, 'pipe');
  await lb.serve(400);
  lb.child.kill('SIGTERM');
  t.strictSame(await once(lb.child, 'exit'), [0, null], lb.stderr());
});

t.test('whoever reads the log is gone: traffic goes on', async t => {
  const lb = await start(t, 'pipe');
  lb.child.stdout!.destroy();
  await lb.serve(50);
  lb.child.kill('SIGTERM');
  t.strictSame(await once(lb.child, 'exit'), [0, null], lb.stderr());
});

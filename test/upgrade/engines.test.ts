import { chmodSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import t from 'tap';
import { startAdministered } from '../fixtures/api.js';
import { backend, echo } from '../fixtures/backends.js';
import { ask, client } from '../fixtures/clients.js';
import { folder } from '../fixtures/program.js';
import { until } from '../fixtures/until.js';
import { isAlive, Upgradable } from '../fixtures/upgradable.js';

for (const [from, to] of [
  ['epoll', 'net'],
  ['net', 'epoll'],
] as const) {
  t.test(`${from} to ${to}: listeners go over, connections end in the old process`, async t => {
    const { address } = await backend(t, echo);
    const dir = folder(t);
    const services = { main: { listen: ['127.0.0.1:0', `unix:${dir}/front`], backends: [address] } };
    const lb = await Upgradable.start(t, {
      runtime: { engine: from, threads: 2, drain_timeout: '1h' },
      services,
    });
    const old = lb.pid;
    const kept = client(t, lb.port);
    kept.socket.write('hi');
    await kept.reads(2);
    lb.write({ runtime: { engine: to, threads: 1, drain_timeout: '1h' }, services });
    t.match(await lb.upgrade(), /listeners only; 1 connection drain/);
    const { json } = await lb.api('GET', '/status');
    t.equal(json.engine, to);
    t.equal(await ask(t, lb.port, 'new'), 'new');
    t.equal(await ask(t, { path: `${dir}/front` }, 'unix'), 'unix');
    kept.socket.write('still');
    await kept.reads(7);
    t.ok(isAlive(old), 'it has a connection');
    kept.socket.end();
    await until('the end of the old process', () => !isAlive(old));
    t.equal(await ask(t, { path: `${dir}/front` }, 'unix'), 'unix', 'the path is the new process’s');
  });
}

t.test('epoll with other numbers of threads: connections go over', async t => {
  const { address } = await backend(t, echo);
  const dir = folder(t);
  const services = { main: { listen: ['127.0.0.1:0', `unix:${dir}/front`], backends: [address] } };
  const start = (threads: number) => ({ runtime: { engine: 'epoll' as const, threads }, services });
  const lb = await Upgradable.start(t, start(1));
  const peers = Array.from({ length: 40 }, (_, i) => client(t, i % 2 ? lb.port : { path: `${dir}/front` }));
  let expected = 0;
  const works = async (): Promise<void> => {
    expected += 2;
    for (const peer of peers) peer.socket.write('hi');
    for (const peer of peers) await peer.reads(expected);
  };
  await works();
  for (const threads of [3, 2]) {
    lb.write(start(threads));
    t.match(await lb.upgrade(), /40 connections and 0 flows kept/);
    const { json } = await lb.api('GET', '/status');
    t.equal(json.threads, threads);
    t.equal(json.services[0].active, 40);
    await works();
  }
});

const isRoot = process.getuid?.() === 0;

t.test('as another user: low ports stay', { skip: !isRoot && 'only root can' }, async t => {
  const { address } = await backend(t, echo);
  const services = { main: { listen: '127.0.0.1:0', backends: [address] } };
  const runtime = { engine: 'epoll', threads: 1, user: 'nobody' } as const;
  const lb = await Upgradable.start(t, { runtime, services });
  // The file and the admin interface are in a folder of root's.
  chmodSync(lb.file, 0o644);
  chmodSync(dirname(lb.file), 0o755);
  const kept = client(t, lb.port);
  kept.socket.write('hi');
  await kept.reads(2);
  t.match(await lb.upgrade(), /1 connection and 0 flows kept/);
  t.match(readFileSync(`/proc/${lb.pid}/status`, 'utf8'), /^Uid:\s+65534\s/m);
  kept.socket.write('still');
  await kept.reads(7);
});

t.test('over TCP nobody chooses what is run', async t => {
  const { address } = await backend(t, echo);
  const services = { main: { listen: '127.0.0.1:0', backends: [address] } };
  const lb = await startAdministered(t, { admin: { listen: '127.0.0.1:0' }, services });
  const { status, json } = await lb.api('POST', '/upgrade', { program: '/bin/false' });
  t.equal(status, 403);
  t.equal(json.error, 'program: expected over a unix socket only');
  t.equal((await lb.api('POST', '/upgrade', { program: 'false' })).status, 400);
});

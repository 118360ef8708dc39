import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { ConfigInput } from '../../src/config/schema.js';
import { backend, echo } from '../fixtures/backends.js';
import { config, startBalancer } from '../fixtures/balancer.js';
import { ask, client } from '../fixtures/clients.js';
import { DEADLY } from '../fixtures/deadly.js';
import { descriptors } from '../fixtures/process.js';
import { folder } from '../fixtures/program.js';
import { askUntilAnswered, echoes, udpBackend, udpPeer } from '../fixtures/udp.js';
import { until } from '../fixtures/until.js';

const LINUX = process.platform === 'linux' ? {} : { skip: 'the epoll engine is for Linux' };
const THREADS = 3;

/** Three threads on a TCP port and a UDP port that the system chose, and on a unix socket. */
async function start(t: Test, threads = THREADS) {
  // Short enough for the path of a unix socket.
  const dir = folder(t);
  writeFileSync(join(dir, 'deadly.mjs'), DEADLY);
  const flag = join(dir, 'die');
  const path = join(dir, 's');
  const server = await backend(t, echo);
  const datagrams = await udpBackend(t, echoes);
  const strategy = { kind: join(dir, 'deadly.mjs'), flag };
  const health = { kind: 'none' as const };
  const services: ConfigInput['services'] = {
    main: { listen: ['127.0.0.1:0', `unix:${path}`], backends: [server.address], strategy, health },
    dns: {
      listen: '127.0.0.1:0',
      protocol: 'udp',
      backends: [datagrams.address],
      timeouts: { idle: '300ms' },
      health,
    },
  };
  const asker = await udpPeer(t);
  const input = config(services, { engine: 'epoll', threads, drain_timeout: '30s' });
  const lb = await startBalancer(t, input);
  let deaths = 0;
  const kill = async (): Promise<number> => {
    writeFileSync(flag, '');
    const victim = client(t, lb.port());
    await victim.end();
    victim.socket.destroy();
    deaths++;
    return await until('the thread is dead', () => {
      const lines = lb.log.all.filter(({ msg }) => msg === 'a data-plane thread died and is replaced');
      return lines.length === deaths ? Number(lines.at(-1)!.thread) + 1 : undefined;
    });
  };
  const serves = async (): Promise<void> => {
    for (const target of [lb.port(), { path }]) {
      const answers = await Promise.all(Array.from({ length: 15 }, () => ask(t, target, 'hello')));
      t.strictSame(new Set(answers), new Set(['hello']), `all are answered at ${JSON.stringify(target)}`);
    }
    t.equal(await askUntilAnswered(asker, 'datagram', lb.port('dns')), 'datagram');
  };
  return { lb, input, path, kill, serves };
}

/** Sockets that listen on a port of 127.0.0.1. */
function listening(port: number): number {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = readFileSync('/proc/net/tcp', 'utf8').trim().split('\n').slice(1);
  return rows
    .map(row => row.trim().split(/\s+/))
    .filter(([, local, , state]) => state === '0A' && local!.endsWith(suffix)).length;
}

t.test(
  'a successor listens where the dead thread did, and clients that wait there are served',
  LINUX,
  async t => {
    const { lb, input, path, kill, serves } = await start(t);
    const port = lb.port();
    await serves();
    const before = descriptors();
    const dead = new Set<number>();
    for (let round = 0; round < 8 && dead.size < THREADS; round++) {
      dead.add(await kill());
      // Some of these come to the queue of the dead thread.
      await serves();
      t.equal(listening(port), THREADS, 'one socket a thread, no more and no fewer');
      await lb.balancer.apply(input);
    }
    t.ok(dead.size > 1, `threads ${[...dead]} died`);
    await lb.idle();
    await until('no descriptor is left behind', () => descriptors() <= before);
    await lb.balancer.destroy();
    t.notOk(existsSync(path), 'the path of the unix socket goes at the end, whoever has made it');
  },
);

t.test('all threads die at once', LINUX, async t => {
  const { kill, serves } = await start(t, 1);
  for (let round = 0; round < 3; round++) {
    await kill();
    await serves();
  }
});

t.test('a reload while a thread is being replaced reaches its successor', LINUX, async t => {
  const { lb, input, kill } = await start(t);
  const other = await backend(t, ({ socket }) => void socket.end('other'));
  await kill();
  const main = { ...input.services.main!, backends: [other.address] };
  await lb.balancer.apply({ ...input, services: { ...input.services, main } });
  await until('three threads listen', () => listening(lb.port()) === THREADS);
  for (let i = 0; i < 30; i++) t.equal(await ask(t, lb.port()), 'other');
});

t.test('a thread that dies during a drain does not hold it up', LINUX, async t => {
  const { lb, kill } = await start(t);
  const held = client(t, lb.port());
  await held.write('x');
  await held.reads(1);
  const victims = Array.from({ length: 5 }, () => client(t, lb.port()));
  for (const one of victims) await one.write('x');
  for (const one of victims) await one.reads(1);
  await kill();
  const closed = lb.balancer.close();
  for (const one of [held, ...victims]) one.finish();
  await closed;
  t.equal(lb.balancer.active, 0);
});

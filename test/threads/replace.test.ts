import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { BalancerEvent } from '../../src/control/events.js';
import { backend, echo } from '../fixtures/backends.js';
import { oneService, startBalancer } from '../fixtures/balancer.js';
import { ask, client } from '../fixtures/clients.js';
import { DEADLY } from '../fixtures/deadly.js';
import { descriptors } from '../fixtures/process.js';
import { until } from '../fixtures/until.js';

const LINUX = process.platform === 'linux' ? {} : { skip: 'the epoll engine is for Linux' };

t.test(
  'a data-plane thread that dies is replaced, and what it had is taken off the books',
  LINUX,
  async t => {
    const dir = t.testdir({ 'deadly.mjs': DEADLY });
    const flag = join(dir, 'die');
    const server = await backend(t, echo);
    const lb = await startBalancer(
      t,
      oneService(
        { backends: [server.address], strategy: { kind: join(dir, 'deadly.mjs'), flag } },
        { engine: 'epoll', threads: 2 },
      ),
    );
    const events: BalancerEvent[] = [];
    lb.balancer.subscribe(event => events.push(event));
    const held = Array.from({ length: 20 }, () => client(t, lb.port()));
    for (const peer of held) {
      await peer.write('x');
      await peer.reads(1);
    }
    t.equal(lb.service().active, 20);
    const before = descriptors();
    writeFileSync(flag, '');
    const victim = client(t, lb.port());
    t.match(await victim.end(), /RST|FIN/, 'the connection at fault is closed, not left open');
    const line = await lb.log.line('a data-plane thread died and is replaced');
    t.match(line, { level: 50, thread: Number, lost_connections: Number });
    const lost = Number(line.lost_connections);
    t.match(events, [{ type: 'thread_lost', thread: line.thread, connections: lost, reason: String }]);
    await until(
      'the lost ones are closed',
      () => held.filter(peer => peer.ending !== undefined).length === lost - 1,
    );
    t.equal(lb.service().active, 20 - (lost - 1), 'the others are open and counted');
    const alive = held.filter(peer => peer.ending === undefined);
    for (const peer of alive) {
      await peer.write('y');
      await peer.reads(2);
    }
    for (let i = 0; i < 40; i++) t.equal(await ask(t, lb.port(), 'z'), 'z', 'both threads accept');
    t.ok(descriptors() <= before + 8, `${before} descriptors before, ${descriptors()} now`);
    for (const peer of alive) peer.socket.destroy();
    await lb.idle();
    t.equal(lb.service().active, 0);
    t.equal(lb.service().backends[0]!.active, 0);
  },
);

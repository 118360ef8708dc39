import t from 'tap';
import { parseConfigObject } from '../../src/config/parse.js';
import type { ConfigInput } from '../../src/config/schema.js';
import { servicePlan } from '../../src/control/plan.js';
import { PassedSockets } from '../../src/control/sockets.js';
import { DataPlane } from '../../src/flow/plane.js';
import { Backend } from '../../src/pool/backend.js';
import { SlotAllocator } from '../../src/pool/slots.js';
import { PROCESS_SLOT, SharedTable } from '../../src/pool/table.js';
import { strategies } from '../../strategies/index.js';
import { FakeConn, type FakeLink, StreamEngine } from '../fixtures/stream-engine.js';

type Settings = Omit<ConfigInput['services'][string], 'listen' | 'backends' | 'protocol' | 'strategy'>;

/** The data planes of two threads that share a table; the test delivers what one tells the other. */
async function twoThreads(settings: Settings, backendLimits: readonly number[], maxConnections = 0) {
  const { buffers } = SharedTable.create(2);
  const tables = [0, 1].map(index => new SharedTable(buffers, index));
  const [table] = tables as [SharedTable];
  const slots = new SlotAllocator(table);
  const slot = slots.take();
  const backends = backendLimits.map(
    (limit, i) =>
      new Backend(
        {
          service: 'web',
          id: `b${i}`,
          endpoint: { kind: 'ip', host: `10.0.0.${i}`, port: 80 },
          slot: slots.take(),
          weight: 1,
          backup: false,
          maxConnections: limit,
          admin: 'ready',
        },
        table,
        () => {},
      ),
  );
  const { services } = parseConfigObject({
    services: { web: { listen: '127.0.0.1:80', backends: ['10.0.0.1:80'], ...settings } },
  });
  const plan = {
    services: [servicePlan(slot, services.web!, backends, new PassedSockets([]))],
    maxConnections,
  };
  const rings: number[] = [];
  const reasons: string[] = [];
  const threads = await Promise.all(
    tables.map(async own => {
      const net = new StreamEngine();
      const sink = {
        finished: ({ client, reason }: { client: unknown; reason: string }) =>
          reasons.push(`${String(client).replace(/.*:/, '')} ${reason}`),
        backendFailing: () => {},
        trouble: () => {},
      };
      const plane = new DataPlane(
        net.engine,
        own,
        sink,
        async (_plan, memories) =>
          memories.map(memory =>
            strategies['round-robin'].factory({ options: {}, random: Math.random, memory }),
          ) as never,
        { ring: thread => rings.push(thread) },
      );
      await plane.commit(await plane.prepare(plan), plan);
      return { net, plane };
    }),
  );
  return {
    threads,
    backends,
    table,
    slot,
    rings,
    reasons,
    /** A client comes to this thread; ports tell them apart. */
    offer(thread: number, port: number): FakeConn {
      const conn = new FakeConn(port);
      threads[thread]!.net.listeners[0]!.offer(conn);
      return conn;
    },
    /** The last dial of a thread, accepted by its backend. */
    accepted(thread: number): FakeLink {
      const link = threads[thread]!.net.links.at(-1)!;
      link.accept();
      return link;
    },
    dials: () => threads.map(({ net }) => net.links.length),
    /** Those who were rung look; who was rung meanwhile looks too. Which those were. */
    deliver(): number[] {
      const looked: number[] = [];
      for (let thread = rings.shift(); thread !== undefined; thread = rings.shift()) {
        looked.push(thread);
        threads[thread]!.plane.look();
      }
      return looked;
    },
  };
}

t.test('who waits longest is first, in whatever thread', async t => {
  const two = await twoThreads({ queue: { size: 3 } }, [1]);
  two.offer(0, 1);
  const first = two.accepted(0);
  two.offer(1, 2);
  two.offer(0, 3);
  two.offer(1, 4);
  t.equal(two.table.board.waiting[two.slot], 3);
  two.offer(0, 5);
  t.strictSame(two.reasons, ['5 limit'], 'the size holds for both threads');
  t.strictSame(two.rings, [], 'nobody is woken for nothing');
  first.end();
  t.strictSame(two.deliver(), [1], 'its place wakes the other thread');
  t.strictSame(two.dials(), [1, 1]);
  two.accepted(1).end();
  t.strictSame(two.deliver(), [0], 'and back');
  t.strictSame(two.dials(), [2, 1]);
  two.offer(0, 6);
  two.accepted(0).end();
  t.strictSame(two.deliver(), [1]);
  two.accepted(1).end();
  two.deliver();
  two.accepted(0).end();
  t.strictSame(two.reasons, ['5 limit', ...['1', '2', '3', '4', '6'].map(port => `${port} client_closed`)]);
  t.strictSame(two.dials(), [3, 2]);
  t.equal(two.table.board.waiting[two.slot], 0);
  t.equal(two.table.active[PROCESS_SLOT], 0);
});

t.test('who comes while others wait does not take their place', async t => {
  const two = await twoThreads({ queue: { size: 9 } }, [1]);
  two.offer(0, 1);
  const first = two.accepted(0);
  two.offer(1, 2);
  first.end();
  two.offer(0, 3);
  t.strictSame(two.dials(), [1, 0], 'the place is free, and waits for the other thread to wake up');
  two.deliver();
  t.strictSame(two.dials(), [1, 1]);
  two.accepted(1).end();
  two.deliver();
  two.accepted(0).end();
  t.strictSame(
    two.reasons,
    ['1', '2', '3'].map(port => `${port} client_closed`),
  );
});

t.test('who leaves the queue passes on what it was woken for', async t => {
  const two = await twoThreads({ queue: { size: 9 } }, [1]);
  two.offer(0, 1);
  const first = two.accepted(0);
  const gone = two.offer(1, 2);
  two.offer(0, 3);
  first.end();
  t.strictSame(two.rings, [1]);
  gone.break();
  t.ok(two.deliver().includes(0));
  t.strictSame(two.dials(), [2, 0]);
  t.strictSame(two.reasons, ['1 client_closed', '2 client_reset']);
});

t.test('a thread that does not look holds nobody up for long', async t => {
  const two = await twoThreads({ queue: { size: 9 } }, [1]);
  two.offer(0, 1);
  const first = two.accepted(0);
  two.offer(1, 2);
  two.offer(0, 3);
  first.end();
  two.threads[0]!.net.advance(60);
  t.strictSame(two.dials(), [1, 0], 'whoever is first has until the next look');
  two.threads[0]!.net.advance(40);
  t.strictSame(two.dials(), [2, 0]);
});

t.test('nobody is rung where nobody waits any more', async t => {
  const two = await twoThreads({ queue: { size: 9 } }, [1]);
  two.offer(0, 1);
  const first = two.accepted(0);
  const other = two.offer(1, 2);
  const own = two.offer(0, 3);
  first.end();
  two.threads[0]!.net.advance(60);
  t.strictSame(new Set(two.rings), new Set([1]), 'the place is the other thread’s');
  own.break();
  other.break();
  two.rings.splice(0);
  two.threads[0]!.net.advance(60);
  t.strictSame(two.rings, []);
});

t.test('one that was refused by its backend gives its place to who waits', async t => {
  const two = await twoThreads({ queue: { size: 9 }, retry: { attempts: 2 } }, [1, 1]);
  two.offer(0, 1);
  two.offer(0, 2);
  two.accepted(0);
  two.offer(1, 3);
  const [refused] = two.threads[0]!.net.links;
  refused!.refuse();
  t.strictSame(two.deliver(), [1], 'the first has nowhere to go and waits as well');
  t.strictSame(two.dials(), [2, 1]);
  t.equal(two.threads[1]!.net.links[0]!.backend, refused!.backend);
  t.equal(two.table.board.waiting[two.slot], 1);
  // Whoever waits may go again where it was refused: it must not be in the way of those behind it.
  two.accepted(1).end();
  two.deliver();
  t.strictSame(two.dials(), [3, 1]);
  two.accepted(0).end();
  t.strictSame(two.reasons, ['3 client_closed', '1 client_closed']);
});

t.test('who finds no usable backend waits until one is there, in whatever thread', async t => {
  const two = await twoThreads({ queue: { size: 2 } }, [0, 0]);
  for (const backend of two.backends) backend.setHealth('down', 'test');
  two.offer(0, 1);
  two.offer(1, 2);
  two.offer(1, 3);
  t.strictSame(two.dials(), [0, 0]);
  t.strictSame(two.reasons, ['3 limit'], 'as many as the queue takes');
  two.backends[1]!.setHealth('up', 'test');
  two.threads[0]!.plane.look();
  t.strictSame(two.deliver(), [1], 'the first wakes the next');
  t.strictSame(two.dials(), [1, 1]);
  for (const thread of [0, 1]) t.equal(two.accepted(thread).backend, '10.0.0.1:80');
  t.equal(two.table.board.waiting[two.slot], 0);
});

t.test('without a queue nobody waits for a backend to come up', async t => {
  const two = await twoThreads({}, [0]);
  two.backends[0]!.setHealth('down', 'test');
  two.offer(0, 1);
  t.strictSame(two.reasons, ['1 no_backend']);
});

t.test(
  'who was refused by all waits, is tried again now and then, and not for longer than it may',
  async t => {
    const two = await twoThreads({ queue: { size: 9 }, timeouts: { queue: '400ms' } }, [0]);
    const [{ net }] = two.threads as [(typeof two.threads)[0]];
    two.offer(0, 1);
    two.offer(0, 2);
    for (const link of [...net.links]) link.refuse();
    t.strictSame(two.dials(), [2, 0], 'not at once');
    net.advance(60);
    t.strictSame(two.dials(), [3, 0], 'one goes ahead');
    net.links.at(-1)!.refuse();
    net.advance(50);
    t.strictSame(two.dials(), [4, 0], 'and then the other');
    net.links.at(-1)!.accept();
    t.strictSame(two.dials(), [5, 0], 'which the first need not wait for any longer');
    net.links.at(-1)!.refuse();
    net.advance(280);
    for (let at = 5; at < net.links.length; at++) net.links[at]!.refuse();
    net.advance(60);
    t.strictSame(two.reasons, ['1 queue_timeout'], 'its time counts from the first time that it had to wait');
  },
);

t.test('what came up again may be tried again', async t => {
  const two = await twoThreads({ queue: { size: 9 } }, [0]);
  const [backend] = two.backends as [Backend];
  two.offer(1, 1);
  two.threads[1]!.net.links[0]!.refuse();
  backend.setHealth('down', 'test');
  backend.setHealth('up', 'test');
  two.threads[1]!.plane.look();
  t.strictSame(two.dials(), [0, 2]);
});

t.test('who waits is not one of those that a backend has, though it was tried', async t => {
  const two = await twoThreads({ queue: { size: 9 } }, [0]);
  const [{ net, plane }] = two.threads as [(typeof two.threads)[0]];
  two.offer(0, 1);
  net.links[0]!.refuse();
  two.backends[0]!.setHealth('down', 'test');
  plane.close(two.backends[0]!.slot, Number.POSITIVE_INFINITY, 'backend_down');
  t.equal(two.table.board.waiting[two.slot], 1);
  t.strictSame(two.reasons, []);
});

t.test('a dial to a backend that goes down goes elsewhere, or waits', async t => {
  const two = await twoThreads({ queue: { size: 9 } }, [0, 0]);
  const [{ net, plane }] = two.threads as [(typeof two.threads)[0]];
  two.offer(0, 1);
  const [first] = net.links as [FakeLink];
  const close = (link: FakeLink) => {
    const backend = two.backends.find(({ key }) => key === link.backend)!;
    backend.setHealth('down', 'test');
    plane.close(backend.slot, Number.POSITIVE_INFINITY, 'backend_down');
  };
  close(first);
  t.notOk(first.open);
  const second = net.links.at(-1)!;
  t.not(second.backend, first.backend);
  close(second);
  t.notOk(second.open);
  t.equal(two.table.board.waiting[two.slot], 1);
  for (const backend of two.backends) backend.setHealth('up', 'test');
  plane.look();
  two.accepted(0).end();
  t.strictSame(two.reasons, ['1 client_closed']);
});

t.test('the last place of the process', async t => {
  const two = await twoThreads({}, [0], 2);
  const [zero, one] = two.threads;
  two.offer(0, 1);
  const first = two.accepted(0);
  two.offer(1, 2);
  const second = two.accepted(1);
  two.offer(0, 3);
  two.offer(1, 4);
  t.equal(two.table.active[PROCESS_SLOT], 2);
  t.ok(zero!.net.listeners[0]!.paused);
  t.ok(one!.net.listeners[0]!.paused);
  t.equal(two.table.board.waiting[PROCESS_SLOT], 2, 'both threads wait');
  second.end();
  t.strictSame(two.deliver(), [0], 'thread 0 was full first');
  t.strictSame(two.dials(), [2, 1]);
  t.ok(one!.net.listeners[0]!.paused);
  first.end();
  two.deliver();
  t.strictSame(two.dials(), [2, 2]);
  two.accepted(0).end();
  two.accepted(1).end();
  two.deliver();
  t.equal(two.table.active[PROCESS_SLOT], 0);
  t.notOk(zero!.net.listeners[0]!.paused || one!.net.listeners[0]!.paused);
  t.equal(two.table.board.waiting[PROCESS_SLOT], 0);
});

t.test('a thread with nobody at its door passes the place on', async t => {
  const two = await twoThreads({}, [0], 1);
  const [zero, one] = two.threads;
  two.offer(0, 1);
  const first = two.accepted(0);
  const gone = two.offer(0, 2);
  two.offer(1, 3);
  zero!.net.listeners[0]!.queue.splice(0);
  t.equal(gone.ended, undefined);
  first.end();
  t.strictSame(two.deliver(), [1]);
  t.strictSame(two.dials(), [1, 1]);
  t.notOk(zero!.net.listeners[0]!.paused);
  t.notOk(
    one!.net.listeners[0]!.paused,
    'it has the place, and finds out with the next client that there is no other',
  );
});

t.test('a place that comes back without a word is found', async t => {
  const two = await twoThreads({}, [0], 1);
  two.offer(0, 1);
  const first = two.accepted(0);
  two.offer(1, 2);
  first.end();
  two.rings.splice(0);
  two.threads[1]!.net.advance(100);
  t.strictSame(two.dials(), [1, 1]);
});

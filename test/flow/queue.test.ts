import fc from 'fast-check';
import t from 'tap';
import type { ConnectionSearch } from '../../src/flow/connection-search.js';
import { WaitQueue } from '../../src/flow/queue.js';
import { SharedTable } from '../../src/pool/table.js';

/** What the queue needs of a connection: its links. */
function waiting(): ConnectionSearch {
  return { queuePrev: undefined, queueNext: undefined, ticket: 0 } as ConnectionSearch;
}

/** The queues of a service as several threads see them. */
function queues(threads: number): WaitQueue[] {
  const { buffers } = SharedTable.create(threads);
  return Array.from({ length: threads }, (_, i) => new WaitQueue(new SharedTable(buffers, i).board, 5));
}

function content(queue: WaitQueue): ConnectionSearch[] {
  const list: ConnectionSearch[] = [];
  for (let at = queue.head; at !== undefined; at = at.queueNext) list.push(at);
  return list;
}

t.test('first come first served, and out from wherever one stands', async () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -6, max: 6 }), { maxLength: 80 }), steps => {
      const [queue] = queues(1) as [WaitQueue];
      const model: ConnectionSearch[] = [];
      for (const step of steps) {
        if (step >= 0 || model.length === 0) {
          const connection = waiting();
          queue.push(connection, 1_000);
          model.push(connection);
        } else {
          const [out] = model.splice(-step % model.length, 1);
          queue.remove(out!);
        }
        const now = content(queue);
        if (queue.length !== model.length || now.length !== model.length) return false;
        if (now.some((connection, i) => connection !== model[i])) return false;
      }
      return true;
    }),
  );
});

t.test('who has left may come back, to the end', async t => {
  const [queue] = queues(1) as [WaitQueue];
  const [a, b] = [waiting(), waiting()];
  queue.push(a, 9);
  queue.push(b, 9);
  queue.remove(a);
  queue.push(a, 9);
  t.strictSame(
    content(queue).map(one => (one === a ? 'a' : 'b')),
    ['b', 'a'],
  );
});

t.test('the size holds for all threads, and so does the order', async () => {
  const steps = fc.array(fc.record({ thread: fc.nat({ max: 2 }), out: fc.nat({ max: 9 }) }), {
    maxLength: 80,
  });
  fc.assert(
    fc.property(steps, fc.nat({ max: 6 }), (list, size) => {
      const all = queues(3);
      const model: { thread: number; connection: ConnectionSearch }[] = [];
      for (const { thread, out } of list) {
        if (out < 5) {
          const connection = waiting();
          if (all[thread]!.push(connection, size) !== model.length < size) return false;
          if (model.length < size) model.push({ thread, connection });
        } else if (model.length > 0) {
          const [gone] = model.splice((out - 5) % model.length, 1);
          all[gone!.thread]!.remove(gone!.connection);
        }
        const first = model[0]?.thread ?? -1;
        if (all.some(queue => queue.isUsed !== model.length > 0 || queue.firstThread !== first)) return false;
      }
      return true;
    }),
  );
});

t.test('those of a dead thread wait no longer', async t => {
  const table = SharedTable.create(2);
  const [mine, other] = [0, 1].map(i => new WaitQueue(new SharedTable(table.buffers, i).board, 5)) as [
    WaitQueue,
    WaitQueue,
  ];
  other.push(waiting(), 3);
  other.push(waiting(), 3);
  mine.push(waiting(), 3);
  t.notOk(mine.push(waiting(), 3));
  t.equal(mine.firstThread, 1);
  table.writeOff(1);
  t.equal(mine.firstThread, 0);
  t.equal(table.board.waiting[5], 1);
  t.ok(mine.push(waiting(), 3));
});

t.test('tickets that go around keep the order', async t => {
  const { buffers, board } = SharedTable.create(2);
  const tickets = new Int32Array(buffers.ints);
  tickets.fill(0x7fff_fffd);
  Atomics.store(board.waiting, 5, 0);
  const [a, b] = [0, 1].map(i => new WaitQueue(new SharedTable(buffers, i).board, 5)) as [
    WaitQueue,
    WaitQueue,
  ];
  const order: number[] = [];
  const list: [WaitQueue, ConnectionSearch][] = [];
  for (let i = 0; i < 6; i++) {
    const queue = i % 2 === 0 ? a : b;
    const connection = waiting();
    queue.push(connection, 100);
    list.push([queue, connection]);
  }
  for (const [queue, connection] of list) {
    order.push(a.firstThread);
    queue.remove(connection);
  }
  t.strictSame(order, [0, 1, 0, 1, 0, 1]);
});

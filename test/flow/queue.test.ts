import fc from 'fast-check';
import t from 'tap';
import type { Connection } from '../../src/flow/connection.js';
import { WaitQueue } from '../../src/flow/queue.js';

/** What the queue needs of a connection: its links. */
function waiting(): Connection {
  return { queuePrev: undefined, queueNext: undefined } as Connection;
}

function content(queue: WaitQueue): Connection[] {
  const list: Connection[] = [];
  for (let at = queue.head; at !== undefined; at = at.queueNext) list.push(at);
  return list;
}

t.test('first come first served, and out from wherever one stands', async () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -6, max: 6 }), { maxLength: 80 }), steps => {
      const queue = new WaitQueue();
      const model: Connection[] = [];
      for (const step of steps) {
        if (step >= 0 || model.length === 0) {
          const connection = waiting();
          queue.push(connection);
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
  const queue = new WaitQueue();
  const [a, b] = [waiting(), waiting()];
  queue.push(a);
  queue.push(b);
  queue.remove(a);
  queue.push(a);
  t.strictSame(
    content(queue).map(one => (one === a ? 'a' : 'b')),
    ['b', 'a'],
  );
});

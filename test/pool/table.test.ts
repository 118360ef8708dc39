import { Worker } from 'node:worker_threads';
import t from 'tap';
import { CLOSE_REASONS } from '../../src/pool/reasons.js';
import { SlotAllocator } from '../../src/pool/slots.js';
import { PROCESS_SLOT, SharedTable } from '../../src/pool/table.js';
import { MAX_SLOTS } from '../../src/pool/totals.js';

t.test('places: exact at the limit', async t => {
  const table = SharedTable.create(1);
  t.ok(table.tryAcquire(3, 2));
  t.ok(table.tryAcquire(3, 2));
  t.notOk(table.tryAcquire(3, 2));
  t.equal(table.active[3], 2, 'a refused place is not counted');
  t.equal(table.acquire(3), 2, 'how many there were before');
  table.release(3);
  table.release(3);
  t.ok(table.tryAcquire(3, 2));
  t.ok(table.tryAcquire(4, 0), '0 is no limit');
});

t.test('places: exact across threads', async t => {
  const table = SharedTable.create(2);
  const code = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(workerData.url).then(({ SharedTable }) => {
      const table = new SharedTable(workerData.buffers);
      let over = 0, got = 0;
      for (let i = 0; i < 200_000; i++) {
        if (!table.tryAcquire(1, 3)) continue;
        got++;
        if (Atomics.load(table.active, 1) > 5) over++;
        table.release(1);
      }
      const totals = table.totalsOf(workerData.index);
      totals.connections[1] = got;
      parentPort.postMessage({ over });
    });`;
  const url = new URL('../../src/pool/table.js', import.meta.url).href;
  const results = await Promise.all(
    [0, 1].map(
      index =>
        new Promise<{ over: number }>((resolve, reject) => {
          const worker = new Worker(code, { eval: true, workerData: { url, index, buffers: table.buffers } });
          worker.on('message', resolve);
          worker.on('error', reject);
        }),
    ),
  );
  t.equal(table.active[1], 0, 'everything was given back');
  t.strictSame(
    results.map(({ over }) => over),
    [0, 0],
  );
  const each = [0, 1].map(index => table.totalsOf(index).connections[1]!);
  t.equal(table.total(1, 'connections'), each[0]! + each[1]!, 'totals add up over the threads');
  t.ok(each[0]! > 0 && each[1]! > 0);
});

t.test('the allocator', async t => {
  const table = SharedTable.create(1);
  const slots = new SlotAllocator(table);
  const taken = new Set<number>();
  for (let i = 1; i < MAX_SLOTS; i++) taken.add(slots.take());
  t.equal(taken.size, MAX_SLOTS - 1, 'no slot twice');
  t.notOk(taken.has(PROCESS_SLOT), 'the process keeps its own');
  t.throws(() => slots.take(), { code: 'LB4_LIMIT' });

  const totals = table.totalsOf(0);
  for (const slot of [10, 20]) {
    totals.bytesIn[slot] = 5;
    totals.ended(slot, 'drained');
    table.active[slot] = 1;
    table.latency[slot] = 9;
    table.latencyAt[slot] = 9;
    table.weight[slot] = 2;
    table.panic[slot] = 1;
    table.failures[slot] = 1;
    slots.free(slot);
  }
  t.equal(table.stateName(10), 'free');
  t.equal(table.total(10, 'bytesIn'), 5, 'what was counted can still be read until somebody else moves in');
  t.equal(slots.take(), 10, 'the longest free one first');
  t.strictSame(
    [table.active, table.latency, table.latencyAt, table.weight, table.panic, table.failures].map(f => f[10]),
    [0, 0, 0, 0, 0, 0],
    'the new owner finds it empty',
  );
  t.equal(table.total(10, 'bytesIn'), 0);
  t.equal(table.tally(10).get('closed', CLOSE_REASONS.indexOf('drained')), 0);
  t.equal(slots.take(), 20);
});

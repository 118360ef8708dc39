import t from 'tap';
import { CONTROL, SpinLock } from '../../src/pool/lock.js';
import { SharedTable } from '../../src/pool/table.js';
import { inThreads } from '../fixtures/threads.js';
import { until } from '../fixtures/until.js';

t.test('one holder at a time, in three threads', async t => {
  const buffer = new SharedArrayBuffer(16);
  const words = new Int32Array(buffer);
  const rounds = 300_000;
  await inThreads(
    3,
    new URL('../../src/pool/lock.js', import.meta.url),
    { buffer, rounds },
    `const words = new Int32Array(data.buffer);
     const lock = new lib.SpinLock(words, 1, index);
     ready();
     for (let i = 0; i < data.rounds; i++) {
       lock.acquire();
       words[2] = words[2] + 1;
       lock.release();
     }
     return 0;`,
  );
  t.equal(words[2], 3 * rounds, 'no addition was lost');
  t.equal(words[1], 0, 'the lock is free');
});

t.test('the lock of a dead thread is taken over, nobody else’s', async t => {
  const words = new Int32Array(1);
  const lock = (owner: number) => new SpinLock(words, 0, owner);
  t.ok(lock(0).tryAcquire());
  t.notOk(lock(1).tryAcquire());
  t.notOk(lock(CONTROL).seize(1));
  t.ok(lock(CONTROL).seize(0));
  t.notOk(lock(1).tryAcquire(), 'the control plane has it now');
  lock(CONTROL).release();
  t.ok(lock(1).tryAcquire());
});

t.test('a thread that is written off holds no bucket', async t => {
  const table = SharedTable.create(2);
  const other = new SharedTable(table.buffers, 1);
  other.rateCell(7).lock.acquire();
  table.rateCell(8).lock.acquire();
  table.writeOff(1);
  t.ok(table.rateCell(7).lock.tryAcquire());
  t.notOk(table.rateCell(8).lock.tryAcquire(), 'the living keep theirs');
});

t.test('nor does it keep others from picking', async t => {
  const table = SharedTable.create(2);
  const other = new SharedTable(table.buffers, 1);
  other.pickLock(7)!.acquire();
  t.notOk(table.pickLock(7)!.tryAcquire());
  table.writeOff(1);
  t.ok(table.pickLock(7)!.tryAcquire());
  t.equal(SharedTable.create(1).pickLock(7), undefined, 'one thread needs no lock');
});

t.test('a waiting thread goes on when the dead holder is written off', async t => {
  const table = SharedTable.create(2);
  new SharedTable(table.buffers, 1).rateCell(3).lock.acquire();
  const refused = new Int32Array(new SharedArrayBuffer(4));
  const waiting = inThreads<boolean>(
    1,
    new URL('../../src/pool/table.js', import.meta.url),
    { buffers: table.buffers, refused },
    `const { lock } = new lib.SharedTable(data.buffers, 0).rateCell(3);
     if (lock.tryAcquire()) return false;
     Atomics.store(data.refused, 0, 1);
     lock.acquire();
     lock.release();
     return true;`,
  );
  await until('the thread is at the lock', () => Atomics.load(refused, 0) === 1);
  table.writeOff(1);
  t.strictSame(await waiting, [true]);
});

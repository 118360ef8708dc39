import t from 'tap';
import type { Engine } from '../../src/engines/engine.js';
import { Pacer } from '../../src/flow/pacer.js';
import type { CloseReason } from '../../src/pool/reasons.js';
import { TimerWheel } from '../../src/timer-wheel.js';

/** An engine that is only its clock. */
function clock() {
  let time = 1_000;
  const timers = new TimerWheel(time, 10);
  const engine = { now: () => time, timers } as unknown as Engine;
  const advance = (ms: number) => {
    for (const end = time + ms; time < end; ) {
      time += 10;
      timers.advance(time);
    }
  };
  return { engine, timers, advance };
}

function victims(count: number) {
  const ended: CloseReason[] = [];
  return {
    ended,
    list: Array.from({ length: count }, () => ({ end: (r: CloseReason) => void ended.push(r) })),
  };
}

t.test('a steady pace, the first at once', async t => {
  const { engine, timers, advance } = clock();
  const { ended, list } = victims(50);
  new Pacer(engine, -1, list, 100, 'drained');
  t.equal(ended.length, 1);
  advance(100);
  t.ok(ended.length >= 9 && ended.length <= 12, `${ended.length} after 100 ms`);
  advance(1_000);
  t.equal(ended.length, 50);
  t.ok(ended.every(reason => reason === 'drained'));
  t.equal(timers.size, 0, 'nothing is left behind');
});

t.test('slower than one a second', async t => {
  const { engine, advance } = clock();
  const { ended, list } = victims(3);
  new Pacer(engine, -1, list, 0.5, 'shutdown');
  advance(1_900);
  t.equal(ended.length, 1);
  advance(200);
  t.equal(ended.length, 2);
});

t.test('all now', async t => {
  const { engine, timers } = clock();
  const { ended, list } = victims(1_000);
  new Pacer(engine, -1, list, Number.POSITIVE_INFINITY, 'backend_down');
  t.equal(ended.length, 1_000);
  t.equal(timers.size, 0);
  new Pacer(engine, -1, [], 1, 'drained');
  t.equal(timers.size, 0, 'nobody to end');
});

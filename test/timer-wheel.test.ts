import fc from 'fast-check';
import t from 'tap';
import { type TimerNode, TimerWheel, UNSCHEDULED } from '../src/timer-wheel.js';

class Node implements TimerNode {
  timerPrev: TimerNode | null = null;
  timerNext: TimerNode | null = null;
  timerDeadline = 0;
  timerSlot = UNSCHEDULED;
  readonly fired: number[] = [];
  readonly action: (now: number) => void;

  constructor(action: (now: number) => void = () => {}) {
    this.action = action;
  }

  onTimer(now: number): void {
    this.fired.push(now);
    this.action(now);
  }
}

/** Advance in single milliseconds. */
function run(wheel: TimerWheel, from: number, to: number): void {
  for (let now = from; now <= to; now++) wheel.advance(now);
}

t.test('fires once, not early and at most two ticks late', async t => {
  for (const delay of [0, 1, 9, 10, 11, 99, 100, 10_239, 10_240, 10_241, 50_000]) {
    const wheel = new TimerWheel(1_000);
    const node = new Node();
    wheel.schedule(node, delay, 1_003);
    run(wheel, 1_003, 1_003 + delay + 30);
    t.equal(node.fired.length, 1, `delay ${delay}`);
    t.ok(node.fired[0]! >= 1_003 + delay && node.fired[0]! <= 1_003 + delay + 20, `delay ${delay}`);
    t.equal(wheel.size, 0);
    t.equal(node.timerSlot, UNSCHEDULED);
  }
});

t.test('cancel and move', async t => {
  const wheel = new TimerWheel(0);
  const a = new Node();
  const b = new Node();
  wheel.schedule(a, 50, 0);
  wheel.schedule(b, 50, 0);
  wheel.cancel(a);
  wheel.cancel(a);
  t.equal(wheel.size, 1);
  wheel.schedule(b, 100, 0);
  t.equal(wheel.size, 1, 'a second schedule moves the node');
  run(wheel, 0, 99);
  t.strictSame(b.fired, []);
  run(wheel, 100, 200);
  t.strictSame([a.fired.length, b.fired.length, wheel.size], [0, 1, 0]);
});

t.test('nodes change each other from within onTimer', async t => {
  const wheel = new TimerWheel(0);
  const victim = new Node();
  const moved = new Node();
  let turns = 0;
  const first: Node = new Node(now => {
    wheel.cancel(victim);
    wheel.schedule(moved, 40, now);
    if (++turns < 3) wheel.schedule(first, 0, now);
  });
  for (const node of [first, victim, moved]) wheel.schedule(node, 20, 0);
  wheel.advance(20);
  t.strictSame([first.fired.length, victim.fired.length, moved.fired.length, wheel.size], [1, 0, 0, 2]);
  run(wheel, 21, 60);
  t.strictSame([first.fired.length, moved.fired.length], [3, 0], 'moved on by each firing of the first');
  run(wheel, 61, 200);
  t.strictSame([first.fired.length, victim.fired.length, moved.fired.length, wheel.size], [3, 0, 1, 0]);
});

t.test('a nested advance fires what is left and nothing twice', async t => {
  const wheel = new TimerWheel(0);
  const nodes = [1, 2, 3].map(() => new Node(now => wheel.advance(now)));
  for (const node of nodes) wheel.schedule(node, 10, 0);
  wheel.advance(10);
  t.strictSame(
    nodes.map(n => n.fired.length),
    [1, 1, 1],
  );
});

t.test('a node that throws leaves the others due', async t => {
  const wheel = new TimerWheel(0);
  const bad = new Node(() => {
    throw new Error('on purpose');
  });
  const good = new Node();
  wheel.schedule(bad, 10, 0);
  wheel.schedule(good, 10, 0);
  t.throws(() => wheel.advance(10), { message: 'on purpose' });
  t.equal(wheel.nextDelay(10), 0);
  wheel.advance(10);
  t.strictSame([bad.fired.length, good.fired.length, wheel.size], [1, 1, 0]);
});

t.test('a suspended process: a jump of ten years costs one turn', async t => {
  const wheel = new TimerWheel(0);
  const near = new Node();
  const far = new Node();
  const never = new Node();
  wheel.schedule(near, 10, 0);
  wheel.schedule(far, 3_600_000, 0);
  wheel.schedule(never, Number.POSITIVE_INFINITY, 0);
  const began = performance.now();
  const decade = 10 * 365 * 86_400_000;
  wheel.advance(decade);
  t.ok(performance.now() - began < 100);
  t.strictSame([near.fired.length, far.fired.length, never.fired.length], [1, 1, 0]);
  wheel.schedule(near, 15, decade);
  run(wheel, decade, decade + 14);
  t.equal(near.fired.length, 1);
  run(wheel, decade + 15, decade + 35);
  t.equal(near.fired.length, 2);
  t.equal(wheel.nextDelay(decade), -1, 'what never comes needs no waking up');
  t.equal(wheel.size, 1);
});

t.test('nextDelay', async t => {
  const wheel = new TimerWheel(0);
  t.equal(wheel.nextDelay(0), -1);
  const a = new Node();
  const b = new Node();
  wheel.schedule(a, 30_000, 0);
  t.equal(wheel.nextDelay(0), 30_000, 'later turns are seen as such');
  wheel.schedule(b, 55, 0);
  t.equal(wheel.nextDelay(0.5), 60);
  t.equal(wheel.nextDelay(70), 0);
  wheel.advance(70);
  t.equal(wheel.nextDelay(70), 29_930);
  wheel.cancel(a);
  t.equal(wheel.nextDelay(70), -1);
  const c = new Node();
  wheel.schedule(a, 30, 70);
  wheel.schedule(b, 500, 70);
  wheel.schedule(c, 1_000, 70);
  wheel.cancel(b);
  wheel.advance(100);
  t.equal(wheel.nextDelay(100), 970, 'what was cancelled wakes nobody');
});

t.test('refuses parameters that make no wheel', async t => {
  for (const [tick, slots] of [
    [0, 8],
    [Number.NaN, 8],
    [10, 0],
    [10, 12],
  ]) {
    t.throws(() => new TimerWheel(0, tick, slots), RangeError);
  }
});

t.test('agrees with a plain list of deadlines', async () => {
  const action = fc.record({
    node: fc.nat(9),
    what: fc.constantFrom('schedule', 'schedule', 'cancel', 'none'),
    delay: fc.oneof(fc.nat(30), fc.nat(400), fc.nat(5_000)),
    step: fc.oneof(fc.nat(12), fc.nat(12), fc.nat(300), fc.nat(20_000)),
    again: fc.option(fc.record({ node: fc.nat(9), delay: fc.nat(200), cancel: fc.boolean() })),
  });
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60 }), fc.constantFrom(1, 8, 64), (actions, slots) => {
      const tick = 10;
      const start = 5;
      const wheel = new TimerWheel(start, tick, slots);
      const due = new Map<Node, number>();
      let now = start;
      let again: (typeof actions)[number]['again'] = null;
      const nodes = Array.from({ length: 10 }, () => {
        const node: Node = new Node(at => {
          const deadline = due.get(node);
          if (deadline === undefined) throw new Error('fired though not scheduled');
          if (at < deadline) throw new Error(`fired ${deadline - at} ms early`);
          due.delete(node);
          if (again === null) return;
          const { node: which, delay, cancel } = again;
          const other = nodes[which]!;
          if (cancel) {
            wheel.cancel(other);
            due.delete(other);
          } else {
            wheel.schedule(other, delay, at);
            due.set(other, at + delay);
          }
        });
        return node;
      });
      for (const { node, what, delay, step, again: next } of actions) {
        again = next;
        const target = nodes[node]!;
        if (what === 'schedule') {
          wheel.schedule(target, delay, now);
          due.set(target, now + delay);
        } else if (what === 'cancel') {
          wheel.cancel(target);
          due.delete(target);
        }
        const wake = wheel.nextDelay(now);
        const soonest = Math.min(...due.values());
        if (due.size === 0 ? wake !== -1 : wake < 0 || now + wake > Math.max(now, soonest) + 2 * tick) {
          throw new Error(`nextDelay ${wake} at ${now} though the soonest is ${soonest}`);
        }
        now += step;
        wheel.advance(now);
        for (const deadline of due.values()) {
          if (deadline + 2 * tick <= now) throw new Error(`late: ${deadline} at ${now}`);
        }
        if (wheel.size !== due.size) throw new Error(`size ${wheel.size}, expected ${due.size}`);
      }
    }),
    { numRuns: 2_000 },
  );
});

import t from 'tap';
import { type BalancerEvent, EventHub, HISTORY } from '../../src/control/events.js';

function hub() {
  const faults: unknown[] = [];
  return { hub: new EventHub(error => faults.push(error)), faults };
}

t.test('everybody hears of every event, in order, until they unsubscribe', async t => {
  const { hub: events } = hub();
  const first: BalancerEvent[] = [];
  const second: BalancerEvent[] = [];
  const listener = (event: BalancerEvent): void => void second.push(event);
  events.subscribe(event => first.push(event));
  const end = events.subscribe(listener);
  const endAgain = events.subscribe(listener);
  events.emit({ type: 'draining', active: 3 });
  end();
  end();
  events.emit({ type: 'panic', service: 'pg', on: true });
  endAgain();
  events.emit({ type: 'panic', service: 'pg', on: false });
  t.match(first, [
    { id: 1, at: /^\d{4}-\d\d-\d\dT[\d:.]+Z$/, type: 'draining', active: 3 },
    { id: 2, type: 'panic', service: 'pg', on: true },
    { id: 3, type: 'panic', on: false },
  ]);
  t.strictSame(
    second.map(({ id }) => id),
    [1, 1, 2],
  );
});

t.test('a listener that throws harms nobody', async t => {
  const { hub: events, faults } = hub();
  const heard: number[] = [];
  events.subscribe(() => {
    throw new Error('no');
  });
  events.subscribe(({ id }) => heard.push(id));
  events.emit({ type: 'draining', active: 0 });
  t.strictSame(heard, [1]);
  t.match(faults, [{ message: 'no' }]);
});

t.test('the last events are kept, and no more', async t => {
  const { hub: events } = hub();
  const ids = (from: number): number[] => events.after(from).map(({ id }) => id);
  t.strictSame(ids(0), []);
  for (let i = 0; i < HISTORY + 10; i++) events.emit({ type: 'draining', active: i });
  t.strictSame(ids(HISTORY + 8), [HISTORY + 9, HISTORY + 10]);
  t.equal(ids(0).length, HISTORY);
  t.equal(ids(0)[0], 11);
  t.strictSame(ids(1_000_000), [], 'an id of another life');
});

import fc from 'fast-check';
import t from 'tap';
import { Peer } from '../../src/address.js';
import {
  type ConnectionQuery,
  type Listed,
  listConnections,
  mergeLists,
  serialOf,
  threadOf,
} from '../../src/flow/listing.js';

const time = fc.integer({ min: 0, max: 30 });
const listed: fc.Arbitrary<Listed> = fc.record({
  serial: fc.integer({ min: 0, max: 2 ** 40 }),
  client: fc.constant(new Peer().setText('10.0.0.1', 4711)),
  backendSlot: fc.integer({ min: -1, max: 2 }),
  backend: fc.constant('b'),
  startedAt: time,
  activeAt: time,
  bytesIn: fc.nat(),
  bytesOut: fc.nat(),
});
const query: fc.Arbitrary<ConnectionQuery> = fc.record(
  {
    service: fc.constant(1),
    backend: fc.integer({ min: 0, max: 2 }),
    startedBefore: time,
    order: fc.constantFrom('oldest', 'quietest'),
    limit: fc.integer({ min: 0, max: 12 }),
  },
  { requiredKeys: ['service', 'order', 'limit'] },
);

t.test('several threads list what one would', async () => {
  const key = (
    { startedAt, activeAt }: Pick<Listed, 'startedAt' | 'activeAt'>,
    { order }: ConnectionQuery,
  ) => (order === 'oldest' ? [startedAt] : [activeAt, startedAt]);
  fc.assert(
    fc.property(fc.array(fc.array(listed), { minLength: 1, maxLength: 4 }), query, (threads, asked) => {
      const lists = threads.map((all, thread) => listConnections(all, asked, thread));
      const together = mergeLists(lists, asked);
      const whole = listConnections(threads.flat(), asked, 0);
      const keys = (list: typeof whole) => JSON.stringify(list.connections.map(one => key(one, asked)));
      return together.total === whole.total && keys(together) === keys(whole);
    }),
    { numRuns: 500 },
  );
});

t.test('the filters', async t => {
  const base = {
    client: new Peer().setText('10.0.0.1', 9),
    backend: 'b',
    activeAt: 0,
    bytesIn: 1,
    bytesOut: 2,
  };
  const all = [0, 1, 2, 3].map(n => ({ ...base, serial: n, backendSlot: n % 2, startedAt: n * 10 }));
  const serials = (asked: Partial<ConnectionQuery>) =>
    listConnections(all, { service: 1, order: 'oldest', limit: 9, ...asked }, 5).connections.map(({ id }) =>
      serialOf(id),
    );
  t.strictSame(serials({}), [0, 1, 2, 3]);
  t.strictSame(serials({ backend: 1 }), [1, 3]);
  t.strictSame(serials({ startedBefore: 10 }), [0, 1]);
  t.strictSame(serials({ limit: 2 }), [0, 1]);
  const { total, connections } = listConnections(all, { service: 1, order: 'oldest', limit: 1 }, 5);
  t.equal(total, 4, 'the total counts those beyond the limit');
  t.match(connections[0], { client: '10.0.0.1:9', backend: 'b', startedAt: 0, bytesIn: 1, bytesOut: 2 });
});

t.test('an id names thread and serial', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 44 }), fc.integer({ min: 0, max: 255 }), (serial, thread) => {
      const one = { ...new Peer(), serial } as unknown as Listed;
      const { id } = listConnections(
        [{ ...one, client: new Peer(), startedAt: 0, activeAt: 0 } as Listed],
        {
          service: 0,
          order: 'oldest',
          limit: 1,
        },
        thread,
      ).connections[0]!;
      return threadOf(id) === thread && serialOf(id) === serial;
    }),
  );
});

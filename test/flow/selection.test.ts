import fc from 'fast-check';
import t from 'tap';
import { Selection } from '../../src/flow/selection.js';

t.test('the first few of many, in order', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 50 })),
      fc.integer({ min: 0, max: 20 }),
      (items, limit) => {
        const first = new Selection<number>(limit, (a, b) => a - b);
        for (const item of items) first.offer(item);
        const expected = [...items].sort((a, b) => a - b).slice(0, limit);
        return JSON.stringify(first.sorted()) === JSON.stringify(expected);
      },
    ),
    { numRuns: 1000 },
  );
});

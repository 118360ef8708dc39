import t from 'tap';
import { Departed } from '../../src/control/departed.js';
import { SharedTable } from '../../src/pool/table.js';
import type { Tally } from '../../src/pool/totals.js';

const table = SharedTable.create(1);
function tally(bytes: number): Tally {
  table.totalsOf(0).bytesIn[1] = bytes;
  return table.tally(1);
}

t.test('what left more than once adds up, each backend and service for itself', async t => {
  const departed = new Departed();
  departed.add('pg', 'a', tally(1));
  departed.add('pg', 'b', tally(10));
  departed.add('redis', 'a', tally(100));
  departed.add('pg', 'a', tally(1_000));
  const bytes = (service: string, id: string) => departed.of(service).get(id)?.get('bytesIn');
  t.strictSame([bytes('pg', 'a'), bytes('pg', 'b'), bytes('redis', 'a')], [1_001, 10, 100]);
  departed.forget('pg');
  t.strictSame([...departed.of('pg')], []);
  t.equal(bytes('redis', 'a'), 100);
});

t.test('only so many are remembered: names that change all day must not fill the memory', async t => {
  const departed = new Departed();
  departed.add('pg', 'first', tally(1));
  for (let i = 0; i < 5_000; i++) {
    departed.add('pg', `b${i}`, tally(1));
    departed.add('pg', 'first', tally(1));
  }
  t.equal(departed.of('pg').size, 1_000);
  t.equal(departed.of('pg').get('first')!.get('bytesIn'), 5_001, 'who left last is remembered');
  t.notOk(departed.of('pg').has('b0'));
});

import t from 'tap';

// What the page runs: plain JavaScript, served as it lies there.
const PAGE = new URL('../../../src/admin/dashboard/rates.js', import.meta.url).href;
const { age, bytes, History, perSecond, POINTS, ratesBetween, short } = await import(PAGE);

const status = (total: number, id = 'a') => ({
  services: [{ name: 's', backends: [{ id, total, bytes_in: total * 10, bytes_out: total * 100 }] }],
});

t.test('rates are differences a second', async t => {
  const rates = ratesBetween(status(10), status(30), 2);
  t.strictSame(rates.get('s/a'), { connections: 10, bytesIn: 100, bytesOut: 1000 });
  t.match(ratesBetween(undefined, status(30), 2).get('s/a'), { connections: 0 }, 'the first answer');
  t.match(ratesBetween(status(10, 'b'), status(30), 2).get('s/a'), { connections: 0 }, 'a new backend');
  t.equal(perSecond(30, 10, 1), 0, 'a counter that began anew');
  t.equal(perSecond(10, 30, 0), 0, 'no time has passed');
});

t.test('a chart holds its last points', async t => {
  const history = new History(2);
  for (let i = 0; i < POINTS + 5; i++) history.add(i, [i * 2, i * 3]);
  t.strictSame(
    history.columns.map((column: number[]) => column.length),
    [POINTS, POINTS, POINTS],
  );
  t.strictSame(
    history.columns.map((column: number[]) => column[0]),
    [5, 10, 15],
  );
});

t.test('numbers as people read them', async t => {
  t.strictSame([0, 999, 1000, 1_250_000, 9.9e12, 5e15].map(bytes), [
    '0 B',
    '999 B',
    '1.0 kB',
    '1.3 MB',
    '9.9 TB',
    '5,000 TB',
  ]);
  t.strictSame([0, 1.25, 12.6, 12_345].map(short), ['0', '1.3', '13', '12,345']);
  t.strictSame([0, 59, 61, 3_661, 90_000].map(age), ['0 s', '59 s', '1 min 1 s', '1 h 1 min', '1 d 1 h']);
});

import fc from 'fast-check';
import t from 'tap';
import { colours, noPaint, paintFor } from '../../src/cli/style.js';
import { columnWidths, shortenEnd, shortenMiddle, tableLine, widthOf, wrap } from '../../src/cli/table.js';

t.test('what is too long is shortened in the middle, or at the end', async t => {
  t.equal(shortenMiddle('short', 5), 'short');
  t.equal(shortenMiddle('replica-1.example.com:5432', 15), 'replica…om:5432');
  t.same(
    [0, 1, 2, 3].map(width => shortenMiddle('abcdef', width)),
    ['', '…', 'a…', 'a…f'],
  );
  t.equal(shortenEnd('abcdef', 4), 'abc…');
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.nat(40), (text, width) => {
      return widthOf(shortenMiddle(text, width)) <= width && widthOf(shortenEnd(text, width)) <= width;
    }),
  );
});

const COLUMNS = [
  { header: 'NAME', align: 'left', shrinksTo: 6 },
  { header: 'N', align: 'right' },
] as const;

t.test('columns are as wide as what is in them, and one gives way', async t => {
  const rows = [[{ text: 'a-long-name' }, { text: '1234' }], [{ text: 'b' }]];
  t.same(columnWidths(COLUMNS, rows, 80), [11, 4]);
  t.same(columnWidths(COLUMNS, rows, 15), [9, 4]);
  t.same(columnWidths(COLUMNS, rows, 3), [6, 4], 'but not beyond its limit');
  const widths = columnWidths(COLUMNS, rows, 15);
  t.equal(tableLine(COLUMNS, widths, rows[0]!), 'a-lo…name  1234');
  t.equal(tableLine(COLUMNS, widths, rows[1]!), 'b');
});

t.test('what cells say is escaped', async t => {
  const row = [{ text: 'a\u001b[2J\nb', style: 'red' }, { text: '1' }] as const;
  const widths = columnWidths(COLUMNS, [row], 80);
  t.equal(tableLine(COLUMNS, widths, row, noPaint), 'a\\u001b[2J\\u000ab  1');
  t.equal(tableLine(COLUMNS, widths, row, colours), '\u001b[31ma\\u001b[2J\\u000ab\u001b[0m  1');
});

t.test('wrapped at words', async t => {
  t.same(wrap('3 probes failed: connection refused', 24, '    '), [
    '    3 probes failed:',
    '    connection refused',
  ]);
  t.same(
    wrap('x'.repeat(25), 14, '    '),
    ['xxxxxxxxxx', 'xxxxxxxxxx', 'xxxxx'].map(line => `    ${line}`),
  );
  fc.assert(
    fc.property(fc.lorem(), fc.integer({ min: 24, max: 60 }), (text, width) => {
      const lines = wrap(text, width, '  ');
      const isWhole = lines.map(line => line.trim()).join(' ') === text;
      return isWhole && lines.every(line => widthOf(line) <= width);
    }),
  );
});

t.test('colours only on a terminal that has them and wants them', async t => {
  const shown = (isTTY: boolean, env: NodeJS.ProcessEnv) => paintFor({ isTTY }, env)('red', 'x');
  t.equal(shown(true, { TERM: 'xterm' }), '\u001b[31mx\u001b[0m');
  t.equal(shown(true, { TERM: 'xterm', NO_COLOR: '' }), '\u001b[31mx\u001b[0m');
  t.equal(shown(true, { TERM: 'xterm', NO_COLOR: '1' }), 'x');
  t.equal(shown(true, { TERM: 'dumb' }), 'x');
  t.equal(shown(false, { TERM: 'xterm' }), 'x');
});

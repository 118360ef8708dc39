import t from 'tap';
import { layoutFor } from '../../scripts/bench/layout.js';
import { parseOptions } from '../../scripts/bench/options.js';
import { requireSame, toJson, unitsToDo } from '../../scripts/bench/report.js';
import { report, sample } from './bench-report.js';

const names = (list: readonly { readonly name: string }[]) => list.map(({ name }) => name);

t.test('without options: everything, five full rounds', async t => {
  const options = parseOptions([]);
  t.match(options, { rounds: 5, share: 1, append: false, seconds: Number.POSITIVE_INFINITY });
  t.strictSame(names(options.candidates), ['lb4-epoll', 'lb4-net', 'haproxy', 'nginx', 'naive']);
  t.ok(options.cases.length >= 18);
});

t.test('--only takes cases and groups, in the usual order', async t => {
  t.strictSame(names(parseOptions(['--only', 'new,kept']).cases), ['kept', 'new']);
  t.strictSame(names(parseOptions(['--only', 'udp,bulk-out']).cases), ['bulk-out', 'udp-1', 'udp-16']);
});

t.test('--baseline adds a candidate', async t => {
  const { candidates } = parseOptions(['--candidates', 'haproxy', '--baseline', '/somewhere']);
  t.strictSame(names(candidates), ['haproxy', 'baseline']);
  t.match(candidates[1]?.missing(), /^\/somewhere\/dist.* does not exist: build it first$/);
});

t.test('what is wrong is named', async t => {
  t.throws(() => parseOptions(['--only', 'kept,keptt']), /--only: expected some of kept, .*, got "keptt"/);
  t.throws(
    () => parseOptions(['--candidates', 'envoy']),
    /--candidates: expected some of lb4-epoll, .*"envoy"/,
  );
  t.throws(() => parseOptions(['--rounds', '0']), /--rounds: expected a whole number from 1 up, got "0"/);
  t.throws(() => parseOptions(['--seconds', 'x']), /--seconds: .*got "x"/);
  t.throws(
    () => parseOptions(['--baseline-engine', 'nett']),
    /--baseline-engine: expected epoll or net, got "nett"/,
  );
  t.throws(() => parseOptions(['--append']), /--append: expected --json FILE/);
  t.throws(() => parseOptions(['--nonsense']), /--nonsense/);
});

t.test('what a report lacks is done round by round', async t => {
  const { cases } = parseOptions(['--only', 'kept,udp-1']);
  const units = (found: ReturnType<typeof report>, rounds: number) =>
    unitsToDo(found, cases, rounds).map(unit => `${unit.case.name} ${unit.round}`);
  t.strictSame(units(report([]), 2), ['kept 1', 'udp-1 1', 'kept 2', 'udp-1 2']);
  const failures = [{ case: 'udp-1', candidate: 'nginx', round: 1, why: 'not installed' }];
  t.strictSame(units(report([sample('kept', 'haproxy', 1, 1)], { failures }), 2), ['kept 2', 'udp-1 2']);
});

t.test('figures from other conditions are not put together', async t => {
  const found = report([]);
  t.doesNotThrow(() => requireSame('r.json', found, JSON.parse(toJson(found)) as typeof found));
  const fewer = { ...found, candidates: found.candidates.slice(1) };
  t.doesNotThrow(() => requireSame('r.json', found, fewer), 'a round for some of the candidates');
  t.throws(() => requireSame('r.json', fewer, found), /made with another candidates/, 'but nobody new');
  t.throws(
    () => requireSame('r.json', found, { ...found, share: 0.2 }),
    /r\.json was made with another share: 1, now 0\.2/,
  );
});

t.test('a report survives being written, with a line for each sample', async t => {
  const found = report([sample('kept', 'haproxy', 1, 1), sample('kept', 'haproxy', 2, 1)]);
  t.strictSame(JSON.parse(toJson(found)), found);
  t.equal(toJson(found).match(/^ {4}\{"case":"kept"/gm)?.length, 2);
});

t.test('the balancer has a core to itself where there are enough', async t => {
  t.match(layoutFor(1, 2, 'linux'), { balancer: '0', load: '1' });
  t.match(layoutFor(2, 4, 'linux'), { balancer: '0-1', load: '2-3' });
  t.match(layoutFor(2, 2, 'linux'), { balancer: undefined, load: undefined, text: 'nothing pinned' });
  t.match(layoutFor(1, 8, 'darwin'), { text: 'nothing pinned' });
});

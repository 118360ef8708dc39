import { readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Peer } from '../../src/address.js';
import { STRATEGY_NAMES, strategies } from '../../strategies/index.js';
import { isUserStrategy, loadStrategyFactory, type StrategyFault } from '../../strategies/load.js';
import { STRATEGY_OPTIONS } from '../../strategies/options.js';
import type { Candidate, StrategyFactory } from '../../strategies/strategy.js';
import { anyone, client, equal, nobody, seeded } from './helpers.js';

const context = { options: { greeting: 'hello' }, random: seeded(1) };

/** A folder with these modules. */
function folder(t: Test, files: Record<string, string>): string {
  return t.testdir(files);
}

t.test('built-in names', async t => {
  for (const name of STRATEGY_NAMES) {
    t.equal(isUserStrategy(name), false);
    t.equal(await loadStrategyFactory(name, '/nowhere'), strategies[name].factory);
  }
  await t.rejects(loadStrategyFactory('roundrobin', '/nowhere'), {
    code: 'LB4_STRATEGY',
    message: /expected one of "round-robin", .*or a path such as "\.\/mine\.js", got "roundrobin"/,
  });
  await t.rejects(loadStrategyFactory('constructor', '/nowhere'), { code: 'LB4_STRATEGY' });
});

t.test('what options a strategy takes, and their defaults', async t => {
  const { 'ip-hash': ipHash, maglev } = STRATEGY_OPTIONS;
  t.same(ipHash.parse({}), { prefix4: 32, prefix6: 64, load_factor: 0 });
  t.same(maglev.parse({}), { prefix4: 32, prefix6: 64 });
  for (const options of [{ load_factor: 1.01 }, { load_factor: 10 }, { prefix4: 0, prefix6: 128 }]) {
    t.ok(ipHash.safeParse(options).success, JSON.stringify(options));
  }
  const wrong = [
    { prefix4: 33 },
    { prefix4: 1.5 },
    { prefix6: -1 },
    { load_factor: 1 },
    { load_factor: 0.5 },
    { load_factor: 11 },
    { load_factor: '2' },
    { prefix: 24 },
  ];
  for (const options of wrong) t.notOk(ipHash.safeParse(options).success, JSON.stringify(options));
  t.notOk(maglev.safeParse({ load_factor: 2 }).success);
  for (const name of STRATEGY_NAMES) {
    t.notOk(STRATEGY_OPTIONS[name].safeParse({ colour: 'blue' }).success, `${name}: unknown key`);
    t.ok(strategies[name].summary.length > 10);
  }
});

t.test("the example of a user's module", async t => {
  const factory = await loadStrategyFactory('./strategies/night-shift.mjs', join(process.cwd(), 'configs'));
  const strategy = factory({ options: { from: 0, to: 24, keep: 1 }, random: Math.random });
  const candidates = equal(3);
  strategy.rebuild(candidates);
  t.equal(strategy.pick(client(1), anyone), candidates[0]);
  t.equal(strategy.pick(client(2), anyone), candidates[0], 'at night the first only');
  t.equal(
    strategy.pick(client(3), c => c !== candidates[0]),
    candidates[1],
    'the night shift is full',
  );
  const day = factory({ options: { from: 0, to: 0 }, random: Math.random });
  day.rebuild(candidates);
  t.equal(new Set([1, 2, 3].map(n => day.pick(client(n), anyone))).size, 3);
});

t.test('the example in the documentation', async t => {
  const text = await readFile(join(process.cwd(), 'docs/strategies.md'), 'utf8');
  const dir = folder(t, { 'sticky-port.mjs': /```js\n(.*?)```/s.exec(text)![1]! });
  const faults: StrategyFault[] = [];
  const factory = await loadStrategyFactory('./sticky-port.mjs', dir, fault => faults.push(fault));
  const strategy = factory({ options: { range: 10 }, random: Math.random });
  t.equal(strategy.pick(client(0), anyone), undefined);
  const candidates = equal(3);
  strategy.rebuild(candidates);
  const at = (port: number) => strategy.pick(new Peer().setV4(1, port), anyone);
  t.same(
    [at(0), at(9), at(10), at(20), at(30)],
    [0, 0, 1, 2, 0].map(i => candidates[i]),
  );
  t.equal(
    strategy.pick(new Peer().setV4(1, 0), candidate => candidate !== candidates[0]),
    candidates[1],
  );
  t.same(faults, []);
});

t.test('a module gets its options, and relative paths start at the folder', async t => {
  const dir = folder(t, {
    'last.mjs': `export default ({ options, random }) => {
      if (options.greeting !== 'hello' || typeof random !== 'function') throw new Error('no options');
      let list = [];
      return { rebuild(c) { list = c; }, pick(flow, accept) { return list.findLast(accept); } };
    };`,
  });
  const candidates = equal(3);
  for (const name of ['./last.mjs', 'last.mjs', join(dir, 'last.mjs')]) {
    t.ok(isUserStrategy(name));
    const faults: StrategyFault[] = [];
    const strategy = (await loadStrategyFactory(name, dir, fault => faults.push(fault)))(context);
    strategy.rebuild(candidates);
    t.equal(strategy.pick(client(1), anyone), candidates[2]);
    t.equal(strategy.pick(client(1), nobody), undefined);
    t.same(faults, []);
  }
});

t.test('a changed file is loaded afresh', async t => {
  const pickAt = (i: number) =>
    `export default () => { let l; return { rebuild(c) { l = c }, pick() { return l[${i}] } } }`;
  const dir = folder(t, { 'mine.mjs': pickAt(0) });
  const candidates = equal(2);
  const picked = async () => {
    const strategy = (await loadStrategyFactory('./mine.mjs', dir))(context);
    strategy.rebuild(candidates);
    return strategy.pick(client(1), anyone);
  };
  t.equal(await picked(), candidates[0]);
  await writeFile(join(dir, 'mine.mjs'), pickAt(1));
  await utimes(join(dir, 'mine.mjs'), 1, 1);
  t.equal(await picked(), candidates[1]);
});

t.test('modules that cannot be used', async t => {
  const dir = folder(t, {
    'syntax.mjs': 'export default (',
    'none.mjs': 'export const strategy = 1;',
    'number.mjs': 'export default 42;',
    'throws.mjs': 'export default () => { throw new Error("no such table") };',
    'half.mjs': 'export default () => ({ pick() {} });',
    'promise.mjs': 'export default async () => ({ rebuild() {}, pick() {} });',
    'class.mjs': 'export default class { rebuild() {} pick() {} }',
    'nothing.mjs': 'export default () => {};',
  });
  const loading: [string, RegExp][] = [
    ['./missing.mjs', /missing\.mjs: cannot load the strategy: ENOENT/],
    ['./syntax.mjs', /syntax\.mjs: cannot load the strategy/],
    ['./none.mjs', /none\.mjs: expected a default export, a function; there is none/],
    ['./number.mjs', /number\.mjs: expected the default export to be a function, got number/],
  ];
  for (const [name, message] of loading) {
    await t.rejects(loadStrategyFactory(name, dir), { code: 'LB4_STRATEGY', message }, name);
  }
  const making: [string, RegExp][] = [
    ['./throws.mjs', /throws\.mjs: the factory threw: no such table/],
    ['./half.mjs', /half\.mjs: expected the factory to return \{ rebuild, pick \}, got an object with pick/],
    ['./promise.mjs', /got a promise/],
    ['./class.mjs', /class\.mjs: the factory threw: .*'new'/],
    ['./nothing.mjs', /got undefined/],
  ];
  for (const [name, message] of making) {
    const factory: StrategyFactory = await loadStrategyFactory(name, dir);
    t.throws(() => factory(context), { code: 'LB4_STRATEGY', message }, name);
  }
});

t.test(
  'modules that misbehave later fall back to the first usable backend and are reported once',
  async t => {
    const strategy = (body: string) => `export default () => { let list = []; return { ${body} } };`;
    const dir = folder(t, {
      'pick-throws.mjs': strategy('rebuild() {}, pick() { throw new Error("oops") }'),
      'rebuild-throws.mjs': strategy('rebuild() { throw new Error("oops") }, pick() { return list[0] }'),
      'stranger.mjs': strategy('rebuild() {}, pick() { return { id: "stranger" } }'),
      'text.mjs': strategy('rebuild() {}, pick() { return "a" }'),
      'null.mjs': strategy('rebuild() {}, pick() { return null }'),
      'stale.mjs': strategy('rebuild(c) { if (!list.length) list = c }, pick() { return list[0] }'),
      'deaf.mjs': strategy('rebuild(c) { list = c }, pick() { return list[0] }'),
      'gives-up.mjs': strategy('rebuild(c) { list = c }, pick() {}'),
      'vandal.mjs': strategy('rebuild(c) { c.length = 0 }, pick() { return list[0] }'),
    });
    const expected: Record<string, RegExp> = {
      'pick-throws.mjs': /^pick threw: oops; the first usable/,
      'rebuild-throws.mjs': /^rebuild threw: oops; the first usable/,
      'stranger.mjs': /^pick must return one of the candidates/,
      'text.mjs': /^pick must return one of the candidates/,
      'null.mjs': /^pick must return one of the candidates/,
      'stale.mjs': /^pick must return one of the candidates/,
      'deaf.mjs': /^pick must return one of the candidates/,
      'gives-up.mjs': /^pick returned undefined although/,
      'vandal.mjs': /^pick returned undefined although/,
    };
    for (const [name, message] of Object.entries(expected)) {
      const [gone, full, ...rest] = equal(5) as [Candidate, Candidate, ...Candidate[]];
      const faults: StrategyFault[] = [];
      const factory = await loadStrategyFactory(`./${name}`, dir, fault => faults.push(fault));
      const guarded = factory(context);
      guarded.rebuild([gone, full, ...rest]);
      guarded.rebuild([full, ...rest]);
      for (let n = 0; n < 3; n++) {
        t.equal(
          guarded.pick(client(n), candidate => candidate !== full),
          rest[0],
          name,
        );
        t.equal(guarded.pick(client(n), nobody), undefined, `${name}: all refused`);
      }
      t.equal(faults.length, 1, `${name}: one report`);
      t.match(faults[0], { strategy: join(dir, name), message });
    }
  },
);

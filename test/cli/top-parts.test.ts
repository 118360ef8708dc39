import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import { colours, noPaint } from '../../src/cli/style.js';
import { widthOf } from '../../src/cli/table.js';
import { readKeys } from '../../src/cli/top/keys.js';
import {
  firstModel,
  type Model,
  withBackend,
  withMessage,
  withStatus,
  withTrouble,
} from '../../src/cli/top/model.js';
import { type Pressed, press } from '../../src/cli/top/press.js';
import { ratesBetween } from '../../src/cli/top/rates.js';
import { render } from '../../src/cli/top/render.js';
import type { BackendSnapshot, Snapshot } from '../../src/control/snapshot.js';
import { backendStatus, instanceStatus, serviceStatus } from '../fixtures/status.js';

/** Two services; `more` is about pg's first backend, `at` is the uptime in seconds. */
function world(more: Partial<BackendSnapshot> = {}, at = 100): Snapshot {
  return instanceStatus(
    [
      serviceStatus('pg', [
        backendStatus('10.0.0.1:5432', { active: 12, latency_ms: 3.42, ...more }),
        backendStatus('10.0.0.2:5432', { state: 'down', down_reason: '3 probes failed: connection refused' }),
      ]),
      serviceStatus('redis', [backendStatus('10.0.0.9:6379')]),
    ],
    { uptime_seconds: at },
  );
}

t.test('rates are differences by the clock of the instance', async t => {
  const before = world({ total: 100, bytes_in: 1000, bytes_out: 5000 });
  const now = world({ total: 300, bytes_in: 5000, bytes_out: 5000 }, 102);
  const rate = { connections: 100, bytesIn: 2000, bytesOut: 0 };
  const rates = ratesBetween(before, now);
  t.same(rates.get('pg/10.0.0.1:5432'), rate);
  t.same(rates.get('pg/10.0.0.2:5432'), { connections: 0, bytesIn: 0, bytesOut: 0 });
  t.same(rates.get('pg'), rate);
  t.equal(ratesBetween(undefined, now).size, 0);
  t.equal(ratesBetween(before, { ...now, pid: 1 }).size, 0, 'another process');
  t.equal(ratesBetween(now, now).size, 0, 'no time has passed');
  t.equal(ratesBetween(world({ total: 900 }), now).get('pg/10.0.0.1:5432'), undefined, 'counted anew');
  const other = instanceStatus([serviceStatus('pg', [backendStatus('new')])], { uptime_seconds: 101 });
  t.equal(ratesBetween(before, other).size, 0, 'not there before');
});

t.test('keys', async t => {
  t.same(readKeys('jk\x1b[A\x1bOB\x1b[5~\x1b[6~\x1b[H\x1b[Fq'), [
    ...['j', 'k', 'up', 'down', 'page up', 'page down', 'home', 'end', 'q'],
  ]);
  t.same(readKeys('\x03\x1a\x1b\r'), ['ctrl-c', 'ctrl-z', 'escape', 'enter']);
  t.same(readKeys('\x1b[1;5C\x1b[200~d'), ['d'], 'what is not known is left out');
  t.same(readKeys('é\u{1f600}'), ['é', '\u{1f600}']);
});

/** Press one key after the other; the last one's outcome. */
function pressing(model: Model, ...keys: string[]): Pressed {
  return keys.reduce<Pressed>((last, key) => press(last.model, key), { model });
}

t.test('the selection moves over backends and keeps to one that is there', async t => {
  const model = firstModel(world());
  t.equal(model.selected, 'pg/10.0.0.1:5432');
  t.equal(pressing(model, 'j').model.selected, 'pg/10.0.0.2:5432');
  t.equal(pressing(model, 'j', 'down', 'j', 'j').model.selected, 'redis/10.0.0.9:6379');
  t.equal(pressing(model, 'end', 'up').model.selected, 'pg/10.0.0.2:5432');
  t.equal(pressing(model, 'G', 'g', 'k').model.selected, 'pg/10.0.0.1:5432');
  const second = pressing(model, 'j').model;
  t.equal(withStatus(second, world()).selected, 'pg/10.0.0.2:5432');
  const gone = instanceStatus([world().services[1]!]);
  t.equal(withStatus(second, gone).selected, 'redis/10.0.0.9:6379', 'the nearest');
  const empty = withStatus(second, instanceStatus([]));
  t.equal(empty.selected, undefined);
  t.equal(pressing(empty, 'j', 'd').action, undefined);
  t.equal(withStatus(empty, world()).selected, 'pg/10.0.0.1:5432');
});

t.test('drain and maint ask, ready does not', async t => {
  const model = firstModel(world());
  const asked = pressing(model, 'd');
  t.equal(asked.action, undefined);
  t.equal(
    asked.model.question?.text,
    'drain pg/10.0.0.1:5432? y/n (the last usable one: new connections will fail)',
  );
  t.same(pressing(model, 'd', 'y').action, {
    service: 'pg',
    backend: '10.0.0.1:5432',
    change: { state: 'drain' },
  });
  t.equal(pressing(model, 'd', 'y').model.question, undefined);
  for (const no of ['n', 'escape', 'enter', 'q', 'd']) {
    const { action, isEnd, model: after } = pressing(model, 'd', no);
    t.same([action, isEnd, after.question], [undefined, undefined, undefined], no);
  }
  t.match(
    pressing(model, 'j', 'm').model.question?.text,
    /^maint pg\/10\.0\.0\.2:5432\? y\/n \(0 connections may finish\)$/,
  );
  t.same(pressing(model, 'r').action?.change, { state: 'ready' });
});

t.test('weights count from what is shown; none at all is asked for', async t => {
  const model = firstModel(world());
  const twice = pressing(model, '+', '+');
  t.same(twice.action?.change, { weight: 3 });
  t.same(pressing(twice.model, '-').action?.change, { weight: 2 });
  const none = pressing(model, '-');
  t.equal(none.action, undefined);
  t.match(none.model.question?.text, /^weight 0 for pg/);
  t.same(pressing(none.model, 'y').action?.change, { weight: 0 });
  t.equal(pressing(firstModel(world({ weight: 65_535 })), '+').action, undefined);
  t.equal(pressing(firstModel(world({ weight: 0 })), '-').action, undefined);
});

t.test('help, quit, and no changes while nobody answers', async t => {
  const model = firstModel(world());
  t.equal(pressing(model, '?').model.isHelp, true);
  t.equal(pressing(model, '?', 'q').model.isHelp, false);
  t.equal(pressing(model, '?', 'q').isEnd, undefined);
  t.equal(pressing(model, 'q').isEnd, true);
  for (const before of [[], ['?'], ['d']]) t.equal(pressing(model, ...before, 'ctrl-c').isEnd, true);
  const lost = withTrouble(model, 'gone');
  for (const key of ['d', 'm', 'r', '+']) {
    const { action, model: after } = pressing(lost, key);
    t.same([action, after.question], [undefined, undefined], key);
  }
});

t.test('an answer takes the trouble away, and a question about what is gone', async t => {
  const model = pressing(firstModel(world({ total: 1 })), 'd').model;
  t.ok(withStatus(model, world()).question);
  t.equal(withStatus(model, instanceStatus([])).question, undefined);
  const lost = withTrouble(model, 'gone');
  t.equal(lost.question, undefined);
  const back = withStatus(lost, world({ total: 1000 }, 101));
  t.equal(back.trouble, '');
  t.equal(back.rates.size, 0, 'no rates over a gap');
});

const SIZE = { rows: 24, columns: 80 };

t.test('80×24', async t => {
  const first = firstModel(world({ total: 100, bytes_in: 1000 }));
  const model = withStatus(first, world({ total: 440, bytes_in: 1_235_000, bytes_out: 12 }, 101));
  t.same(render(model, SIZE, noPaint), [
    'edge: lb4 0.1.0, engine net, 1 thread, pid 4711, up 1m 41s',
    '2 of 3 backends usable, 12 active, 340 new/s, in 1.2 MB/s, out 12 B/s',
    '  BACKEND          STATE     ACTIVE  CONN/S    IN/S   OUT/S  LATENCY  WEIGHT',
    '  pg               1 of 2        12     340  1.2 MB    12 B',
    '>   10.0.0.1:5432  up            12     340  1.2 MB    12 B   3.4 ms       1    ',
    '    10.0.0.2:5432  down           0       0     0 B     0 B        -       1',
    '  redis            1 of 1         0       0     0 B     0 B',
    '    10.0.0.9:6379  up             0       0     0 B     0 B        -       1',
    ...Array.from({ length: 13 }, () => ''),
    'pg/10.0.0.1:5432',
    '',
    'j k select   d drain   r ready   m maint   + - weight   ? help   q quit',
  ]);
});

t.test('why a backend is down, a question, a message, trouble, help', async t => {
  const model = firstModel(world());
  const shown = (one: Model): string => render(one, SIZE, noPaint).join('\n');
  t.match(shown(pressing(model, 'j').model), 'pg/10.0.0.2:5432: 3 probes failed: connection refused');
  t.match(
    shown(pressing(model, 'j', 'd').model),
    /drain pg\/10\.0\.0\.2:5432\? y\/n \(0 connections may finish\)$/,
  );
  t.match(shown(withMessage(model, 'pg/x: draining', false)), /pg\/x: draining$/);
  t.match(shown(withTrouble(model, 'cannot ask unix:/x: gone')), /\ncannot ask unix:\/x: gone\n/);
  t.match(shown(pressing(model, '?').model), /drain it: no new connections/);
  t.match(
    shown(firstModel(world({ last_check: { at: '', result: 'ok', reason: '', duration_ms: 0.4 } }))),
    'last check ok in 0.40 ms',
  );
  const changed = withBackend(
    model,
    'pg',
    backendStatus('10.0.0.1:5432', { state: 'draining', runtime: { state: 'drain' } }),
  );
  t.match(shown(changed), /draining[\s\S]*changed while running: state drain/);
});

t.test('the selected one is always on the screen', async t => {
  const many = Array.from({ length: 200 }, (_, i) => backendStatus(`b${i}`));
  let model = firstModel(instanceStatus([serviceStatus('x', many)]));
  for (let i = 0; i < 200; i++) {
    t.match(render(model, SIZE, noPaint).join('\n'), new RegExp(`^> +b${i} `, 'm'));
    model = pressing(model, 'j').model;
  }
});

t.test('fits every size and is escaped, whatever there is', async () => {
  const backend = fc.record({
    id: fc.string({ maxLength: 60, unit: 'binary' }),
    down_reason: fc.string({ maxLength: 300, unit: 'binary' }),
    state: fc.constantFrom('up', 'down', 'draining', 'odd\u001b[2J'),
    total: fc.nat(),
    latency_ms: fc.option(fc.double({ min: 0, max: 1e6, noNaN: true })),
  });
  const size = fc.record({
    rows: fc.integer({ min: 1, max: 60 }),
    columns: fc.integer({ min: 20, max: 200 }),
  });
  const keys = fc.array(fc.constantFrom('j', 'end', 'd', '?', '+'), { maxLength: 3 });
  fc.assert(
    fc.property(fc.array(backend, { maxLength: 30 }), size, keys, (backends, { rows, columns }, pressed) => {
      const list = backends.map(({ id, ...more }) => backendStatus(id, more as object));
      const model = pressing(firstModel(instanceStatus([serviceStatus('s', list)])), ...pressed).model;
      const lines = render(model, { rows, columns }, noPaint);
      if (lines.length !== rows) throw new Error(`${lines.length} lines`);
      for (const line of lines) {
        if (widthOf(line) > columns || /[\p{Cc}\u202e]/u.test(line)) throw new Error(line);
      }
      const painted = render(model, { rows, columns }, colours).map(stripVTControlCharacters);
      if (painted.join('\n') !== lines.join('\n')) throw new Error('colours move something');
    }),
    { numRuns: 500 },
  );
});

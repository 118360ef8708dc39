import t from 'tap';
import type { Finding } from '../../src/health/finding.js';
import { HealthMonitor } from '../../src/health/monitor.js';
import type { HealthSettings } from '../../src/health/settings.js';
import { State } from '../../src/pool/table.js';
import { FakeClock } from './fake-clock.js';
import { FakeProbe, Pool, settings } from './helpers.js';
import { PLAIN } from './servers.js';

const PRIMARY: Finding = { role: 'primary' };
const REPLICA: Finding = { role: 'replica', lagMs: 0 };

/** A service that wants `role`, over servers that have these roles. */
function setUp(
  role: HealthSettings['role'],
  roles: readonly Finding[],
  overrides: Partial<HealthSettings> = {},
) {
  const clock = new FakeClock();
  const pool = new Pool();
  const closed: string[] = [];
  const splits: string[] = [];
  const checks: string[] = [];
  const probes = new Map(roles.map((finding, i) => [`b${i}`, Object.assign(new FakeProbe(), { finding })]));
  const wanted = (change: Partial<HealthSettings> = {}) => ({
    ...PLAIN,
    settings: settings({ kind: 'redis', role, on_down: 'close', ...overrides, ...change }),
  });
  const monitor = new HealthMonitor(wanted(), {
    clock,
    probeFor: ({ id }) => probes.get(id)!,
    onDown: ({ id }) => closed.push(id),
    onSplitBrain: ({ primaries, kept }) => splits.push(`${primaries.join()} > ${kept.join()}`),
    onCheck: ({ id }, { result, reason }) => checks.push(`${id} ${result} ${reason}`),
  });
  const backends = [...probes.keys()].map(id => pool.backend(id, { trusted: role === 'any' }));
  for (const backend of backends) monitor.add(backend);
  const { table } = pool;
  return {
    ...{ clock, pool, monitor, backends, closed, checks, splits, wanted },
    probe: (i: number) => probes.get(`b${i}`)!,
    /** Those who would be picked, as the data plane sees them; `+` is a backup. */
    usable: () =>
      backends
        .filter(({ slot }) => table.state[slot] === State.up || table.state[slot] === State.checking)
        .map(({ id, slot }) => (table.backup[slot] === 1 ? `${id}+` : id))
        .join(' '),
  };
}

t.test('nobody is picked before its role is known', async t => {
  const { clock, monitor, backends, usable, pool } = setUp('primary', [PRIMARY, REPLICA, {}]);
  t.equal(usable(), '');
  t.equal(backends[0]!.state, 'checking', 'though it is no more than that');
  await clock.advance(0);
  t.equal(usable(), 'b0');
  t.strictSame(pool.log, ['b0 checking>up probe ok', 'b1 checking>down it is a replica']);
  t.strictSame(pool.alarms, [], 'a replica is no news');
  t.equal(backends[2]!.state, 'checking', 'a server that does not tell counts as one failure');
  monitor.stop();
});

t.test(
  'a promoted replica is up after `rise` probes, the demoted primary down and closed at once',
  async t => {
    const { clock, monitor, backends, usable, pool, probe, closed, checks } = setUp('primary', [
      PRIMARY,
      REPLICA,
    ]);
    await clock.advance(2_000);
    probe(0).finding = REPLICA;
    probe(1).finding = PRIMARY;
    checks.length = 0;
    await clock.advance(2_000);
    t.equal(usable(), '');
    t.strictSame(closed, ['b1', 'b0'], 'b1 at the start, when it had none');
    t.strictSame(pool.alarms, ['b0 up>down it is a replica']);
    t.strictSame(checks, ['b0 failed it is a replica', 'b1 ok ']);
    await clock.advance(2_000);
    t.equal(usable(), 'b1');
    t.equal(backends[0]!.downReason, 'it is a replica');
    monitor.stop();
  },
);

t.test('why it is down is what was found last', async t => {
  const { clock, monitor, backends, probe } = setUp('primary', [PRIMARY, REPLICA]);
  await clock.advance(0);
  probe(0).answer = 'refused';
  await clock.advance(10_000);
  t.equal(backends[0]!.downReason, '3 probes failed: connection refused');
  probe(0).answer = 'ok';
  probe(0).finding = REPLICA;
  await clock.advance(2_000);
  t.equal(backends[0]!.downReason, 'it is a replica');
  monitor.stop();
});

t.test('where replicas are preferred, the primary is for times without one', async t => {
  const { clock, monitor, usable, probe } = setUp('prefer-replica', [PRIMARY, REPLICA, REPLICA]);
  await clock.advance(0);
  t.equal(usable(), 'b0+ b1 b2');
  probe(0).finding = REPLICA;
  probe(1).finding = PRIMARY;
  await clock.advance(2_000);
  t.equal(usable(), 'b0 b1+ b2');
  monitor.stop();
});

t.test('a replica too far behind is down after `fall` probes, and back after `rise`', async t => {
  const { clock, monitor, backends, usable, probe } = setUp('replica', [PRIMARY, REPLICA], {
    max_lag: 5_000,
  });
  await clock.advance(0);
  probe(1).finding = { role: 'replica', lagMs: 6_000 };
  await clock.advance(4_000);
  t.equal(usable(), 'b1');
  await clock.advance(2_000);
  t.equal(usable(), '');
  t.equal(backends[1]!.downReason, '3 probes failed: 6s behind, more than 5s');
  probe(1).finding = REPLICA;
  await clock.advance(4_000);
  t.equal(usable(), 'b1');
  monitor.stop();
});

t.test('a reload that wants another role takes effect at once, by what was found last', async t => {
  const { clock, monitor, usable, wanted, closed } = setUp('primary', [PRIMARY, REPLICA]);
  await clock.advance(0);
  monitor.update(wanted({ role: 'replica' }));
  t.equal(usable(), 'b1');
  t.ok(closed.includes('b0'));
  monitor.update(wanted({ role: 'prefer-replica' }));
  t.equal(usable(), 'b0+ b1');
  monitor.update(wanted({ role: 'any' }));
  t.equal(usable(), 'b0 b1');
  monitor.stop();
});

/** A primary on this timeline. */
const on = (timeline: number): Finding => ({ role: 'primary', claim: { cluster: '7', timeline } });

t.test('an old primary that comes back beside the promoted one is not taken, and it is said', async t => {
  const { clock, monitor, backends, usable, pool, probe, splits } = setUp('primary', [on(1), REPLICA]);
  await clock.advance(0);
  probe(0).answer = 'refused';
  await clock.advance(6_000);
  probe(1).finding = on(2);
  await clock.advance(4_000);
  t.equal(usable(), 'b1');
  probe(0).answer = 'ok';
  await clock.advance(10_000);
  t.equal(usable(), 'b1');
  t.equal(backends[0]!.downReason, 'it is out of date: b1 was promoted after it');
  t.strictSame(splits, ['b0,b1 > b1']);
  probe(1).answer = 'refused';
  await clock.advance(20_000);
  t.equal(usable(), '', 'nor when the promoted one is gone');
  t.strictSame(splits.slice(1), [' > ']);
  monitor.adminChanged(Object.assign(backends[0]!, { admin: 'maint' }));
  backends[0]!.setAdmin('ready', 'by operator');
  monitor.adminChanged(backends[0]!);
  await clock.advance(0);
  t.equal(usable(), 'b0', 'but when the operator brings it back');
  t.match(pool.log.at(-1), /^b0 checking>up/);
  monitor.stop();
});

t.test(
  'two primaries at once: the newer is taken, the other closed at once, and asked again before it is said',
  async t => {
    const { clock, monitor, usable, pool, probe, closed, splits } = setUp('primary', [on(1), REPLICA]);
    await clock.advance(0);
    closed.length = 0;
    probe(1).finding = on(2);
    const asked = probe(0).asked;
    await clock.advance(2_000);
    t.strictSame(closed, ['b0']);
    t.strictSame(splits, ['b0,b1 > b1']);
    t.ok(probe(0).asked > asked, 'not from what it said before');
    t.ok(pool.alarms.includes('b0 up>down it is out of date: b1 was promoted after it'));
    await clock.advance(2_000);
    t.equal(usable(), 'b1');
    probe(0).finding = REPLICA;
    await clock.advance(2_000);
    t.strictSame(splits, ['b0,b1 > b1', ' > ']);
    monitor.stop();
  },
);

t.test('a promotion after the old primary died is no split brain', async t => {
  const { clock, monitor, usable, probe, splits } = setUp('primary', [on(1), REPLICA]);
  await clock.advance(0);
  probe(0).answer = 'refused';
  probe(1).finding = on(2);
  await clock.advance(6_000);
  t.equal(usable(), 'b1');
  t.strictSame(splits, []);
  monitor.stop();
});

t.test('what else may be done about two primaries', async t => {
  for (const [split_brain, expected, said] of [
    ['refuse', '', 'b0,b1 > '],
    ['all', 'b0 b1', 'b0,b1 > b0,b1'],
  ] as const) {
    const { clock, monitor, usable, splits, wanted } = setUp('primary', [on(1), on(2)], { split_brain });
    await clock.advance(8_000);
    t.equal(usable(), expected, split_brain);
    t.strictSame(splits, [said]);
    monitor.update(wanted({ split_brain: 'newest' }));
    await clock.advance(6_000);
    t.equal(usable(), 'b1', 'after a reload');
    monitor.stop();
  }
});

t.test('where replicas are preferred, only one primary stands in', async t => {
  const { clock, monitor, usable } = setUp('prefer-replica', [on(1), on(2), REPLICA]);
  await clock.advance(8_000);
  t.equal(usable(), 'b1+ b2');
  monitor.stop();
});

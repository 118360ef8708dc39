import t from 'tap';
import { WELL } from '../../src/health/finding.js';
import { HealthMonitor, type MonitorConfig, type MonitorHooks } from '../../src/health/monitor.js';
import type { HealthSettings } from '../../src/health/settings.js';
import type { Backend } from '../../src/pool/backend.js';
import { FakeClock } from './fake-clock.js';
import { FakeProbe, NO_BYTES, Pool, settings } from './helpers.js';

function config(overrides: Partial<HealthSettings> = {}): MonitorConfig {
  return { settings: settings(overrides), protocol: 'tcp', source: '', preamble: NO_BYTES };
}

/** A monitor of `ids` on a fake clock, with a fake probe for each backend; `b+` is a backup. */
function setUp(ids: string[], overrides: Partial<HealthSettings> = {}, hooks: MonitorHooks = {}) {
  const clock = new FakeClock();
  const pool = new Pool();
  const probes = new Map<Backend, FakeProbe>();
  const events: string[] = [];
  const monitor = new HealthMonitor(config(overrides), {
    clock,
    onDown: backend => events.push(`close ${backend.id}`),
    onPanic: panic => events.push(`panic ${panic}`),
    probeFor: backend => probes.get(backend)!,
    ...hooks,
  });
  const backends = ids.map(id => pool.backend(id, { backup: id.endsWith('+') }));
  for (const backend of backends) {
    probes.set(backend, new FakeProbe());
    monitor.add(backend);
  }
  const all = (answer: FakeProbe['answer']) => {
    for (const probe of probes.values()) probe.answer = answer;
  };
  return { clock, pool, monitor, backends, events, all, probe: (i: number) => probes.get(backends[i]!)! };
}

t.test(
  'checking, up at the first success, down after `fall`, up after `rise`: each said once with its reason',
  async t => {
    const { clock, pool, monitor, backends, probe } = setUp(['a']);
    t.equal(backends[0]!.state, 'checking');
    await clock.advance(0);
    await clock.advance(4_000);
    probe(0).answer = 'refused';
    await clock.advance(20_000);
    t.equal(backends[0]!.downReason, '3 probes failed: connection refused');
    probe(0).answer = 'ok';
    await clock.advance(20_000);
    t.strictSame(pool.log, [
      'a checking>up probe ok',
      'a up>down 3 probes failed: connection refused',
      'a down>up 2 probes ok',
    ]);
    monitor.stop();
    t.equal(clock.pending, 0);
  },
);

t.test('flapping F S F S with fall 3 stays up', async t => {
  const { clock, pool, monitor, probe } = setUp(['a']);
  await clock.advance(0);
  for (let i = 0; i < 50; i++) {
    probe(0).answer = i % 2 === 0 ? 'refused' : 'ok';
    await clock.advance(2_000);
  }
  t.strictSame(pool.log, ['a checking>up probe ok']);
  monitor.stop();
});

t.test('running out of descriptors here marks nothing down', async t => {
  const { clock, pool, monitor, backends, probe } = setUp(['a']);
  await clock.advance(0);
  probe(0).answer = 'local';
  await clock.advance(60_000);
  t.equal(backends[0]!.state, 'up');
  t.equal(pool.log.length, 1);
  monitor.stop();
});

t.test('every probe is reported with its result', async t => {
  const seen: string[] = [];
  const { clock, monitor, probe } = setUp(
    ['a'],
    {},
    {
      onCheck: (backend, { result, reason }) => seen.push(`${backend.id} ${result} ${reason}`),
    },
  );
  await clock.advance(0);
  probe(0).answer = 'refused';
  await clock.advance(2_000);
  t.strictSame(seen, ['a ok ', 'a failed connection refused']);
  monitor.stop();
});

t.test('passive failures mark down at once; then `rise` probes are needed, whatever was counted', async t => {
  const { clock, pool, monitor, backends } = setUp(['a'], { rise: 3 });
  await clock.advance(3_000);
  monitor.passiveFailure(backends[0]!, '3 connections failed: connection refused');
  monitor.passiveFailure(backends[0]!, '3 connections failed: connection refused');
  t.equal(backends[0]!.state, 'down');
  // It is asked at once, as no other is left.
  await clock.advance(3_900);
  t.equal(backends[0]!.state, 'down');
  await clock.advance(100);
  t.strictSame(pool.log, [
    'a checking>up probe ok',
    'a up>down 3 connections failed: connection refused',
    'a down>up 3 probes ok',
  ]);
  monitor.stop();
});

t.test('passive_failures = 0: real traffic marks nothing down', async t => {
  const { monitor, backends } = setUp(['a'], { passive_failures: 0 });
  monitor.passiveFailure(backends[0]!, 'x');
  t.equal(backends[0]!.state, 'checking');
  monitor.stop();
});

t.test('without probes: on trial for 10 s, down by traffic, back on trial after 10 s', async t => {
  const { clock, pool, monitor, backends } = setUp(['a'], { kind: 'none' });
  await clock.advance(9_999);
  t.equal(backends[0]!.state, 'checking');
  await clock.advance(1);
  monitor.passiveFailure(backends[0]!, '3 connections failed: connection refused');
  await clock.advance(9_999);
  t.equal(backends[0]!.state, 'down');
  await clock.advance(1);
  t.equal(backends[0]!.state, 'checking');
  await clock.advance(5_000);
  monitor.passiveFailure(backends[0]!, 'again');
  await clock.advance(20_000);
  t.strictSame(pool.log, [
    'a checking>up no failure in 10s',
    'a up>down 3 connections failed: connection refused',
    'a down>checking 10s since it failed',
    'a checking>down again',
    'a down>checking 10s since it failed',
    'a checking>up no failure in 10s',
  ]);
  t.equal(clock.pending, 0, 'nothing to wait for once it is up');
  monitor.stop();
});

t.test('probes go on while draining and rest in maintenance, which ends in checking', async t => {
  const { clock, pool, monitor, backends, probe } = setUp(['a']);
  const a = backends[0]!;
  await clock.advance(0);
  a.setAdmin('drain', 'by operator');
  monitor.adminChanged(a);
  await clock.advance(2_000);
  t.equal(probe(0).asked, 2);
  probe(0).answer = 'refused';
  await clock.advance(6_000);
  t.equal(a.health, 'down');
  a.setAdmin('maint', 'by operator');
  monitor.adminChanged(a);
  const asked = probe(0).asked;
  await clock.advance(10_000);
  t.equal(probe(0).asked, asked);
  monitor.passiveFailure(a, 'late');
  probe(0).answer = 'hang';
  a.setAdmin('ready', 'by operator');
  monitor.adminChanged(a);
  t.equal(a.state, 'checking');
  t.equal(probe(0).asked, asked + 1, 'probed at once');
  probe(0).answer = 'ok';
  probe(0).finish();
  await clock.advance(0);
  t.strictSame(pool.log, [
    'a checking>up probe ok',
    'a up>draining by operator',
    'a draining>maintenance by operator',
    'a maintenance>checking by operator',
    'a checking>up probe ok',
  ]);
  monitor.stop();
});

t.test('a backend that starts in maintenance is not probed', async t => {
  const { clock, pool, monitor } = setUp([]);
  const backend = pool.backend('m');
  backend.setAdmin('maint', 'disabled');
  t.doesNotThrow(() => monitor.add(backend));
  await clock.advance(10_000);
  t.equal(backend.health, 'checking');
  monitor.stop();
});

t.test('slow start: a ramp after down>up that begins below full weight, none at start', async t => {
  const { clock, pool, monitor, backends, probe } = setUp(['a'], { slow_start: 10_000, rise: 1 });
  const a = backends[0]!;
  a.setWeight(100);
  await clock.advance(0);
  t.equal(pool.weight(a), 100, 'full weight at start');
  monitor.passiveFailure(a, 'gone');
  probe(0).answer = 'ok';
  const atUp: number[] = [];
  const original = a.setHealth.bind(a);
  a.setHealth = (state, reason) => {
    if (state === 'up') atUp.push(pool.weight(a));
    original(state, reason);
  };
  await clock.advance(0);
  t.strictSame(atUp, [5], 'the ramp begins before it is up');
  const shares: number[] = [];
  for (let i = 0; i < 20; i++) {
    shares.push(pool.weight(a));
    await clock.advance(500);
  }
  t.equal(pool.weight(a), 100);
  t.strictSame(
    shares,
    [...shares].sort((x, y) => x - y),
    'it only grows',
  );
  t.equal(new Set(shares).size >= 18, true, `about 20 steps, got ${new Set(shares).size}`);
  monitor.stop();
});

t.test(
  'slow start: down again in the middle starts over; switched off by reload gives full weight',
  async t => {
    const { clock, pool, monitor, backends } = setUp(['a'], { slow_start: 10_000, rise: 1 });
    const a = backends[0]!;
    await clock.advance(0);
    monitor.passiveFailure(a, 'gone');
    await clock.advance(5_000);
    t.equal(pool.weight(a), 0.5);
    monitor.passiveFailure(a, 'gone');
    await clock.advance(0);
    t.equal(pool.weight(a), 0.05);
    monitor.update(config({ slow_start: 0, rise: 1 }));
    t.equal(pool.weight(a), 1);
    monitor.stop();
  },
);

t.test(
  'panic: fewer usable primaries than the threshold; backups and backends out of service do not count',
  async t => {
    const { clock, monitor, backends, events, probe } = setUp(['a', 'b', 'c', 'd', 'e+'], {
      panic_threshold: 50,
      fall: 1,
      rise: 1,
    });
    await clock.advance(0);
    probe(0).answer = probe(1).answer = probe(4).answer = 'refused';
    await clock.advance(2_000);
    t.strictSame(events, [], 'half is not below half');
    probe(2).answer = 'refused';
    await clock.advance(2_000);
    t.strictSame(events, ['panic true']);
    t.equal(monitor.panic, true);
    for (const i of [0, 1]) {
      backends[i]!.setAdmin('maint', 'by operator');
      monitor.adminChanged(backends[i]!);
    }
    t.strictSame(events, ['panic true', 'panic false'], 'one of two is enough');
    monitor.remove(backends[3]!);
    t.strictSame(events, ['panic true', 'panic false', 'panic true']);
    monitor.update(config({ panic_threshold: 0 }));
    t.equal(monitor.panic, false);
    monitor.stop();
  },
);

t.test('on_down = close asks for the connections to be closed, keep does not', async t => {
  for (const on_down of ['keep', 'close'] as const) {
    const { clock, monitor, backends, events, probe } = setUp(['a', 'b'], { on_down });
    await clock.advance(0);
    monitor.passiveFailure(backends[0]!, 'gone');
    probe(1).answer = 'refused';
    await clock.advance(6_000);
    t.strictSame(events, on_down === 'close' ? ['close a', 'close b'] : []);
    monitor.stop();
  }
});

t.test('a reload keeps states and counts; probes start over only when probing changed', async t => {
  const { clock, pool, monitor, backends, probe } = setUp(['a']);
  await clock.advance(0);
  probe(0).answer = 'refused';
  await clock.advance(4_000);
  t.equal(probe(0).asked, 3);
  monitor.update(config({ fall: 4, on_down: 'close' }));
  t.equal(probe(0).asked, 3, 'not asked anew');
  monitor.update(config({ fall: 4, interval: 1_000 }));
  t.equal(probe(0).asked, 4, 'a new schedule begins at once');
  await clock.advance(0);
  t.equal(backends[0]!.state, 'up', 'three failures, fall is four by now');
  await clock.advance(1_000);
  t.equal(backends[0]!.state, 'down');
  monitor.update(config({ kind: 'none' }));
  await clock.advance(30_000);
  t.equal(probe(0).asked, 5);
  t.strictSame(pool.log.slice(1), [
    'a up>down 4 probes failed: connection refused',
    'a down>checking 10s since it failed',
    'a checking>up no failure in 10s',
  ]);
  monitor.stop();
});

t.test('adding twice and removing what is not there do no harm', async t => {
  const { clock, pool, monitor, backends, probe } = setUp(['a']);
  monitor.add(backends[0]!);
  monitor.remove(pool.backend('stranger'));
  await clock.advance(0);
  t.equal(probe(0).asked, 1);
  monitor.remove(backends[0]!);
  await clock.advance(10_000);
  t.equal(probe(0).asked, 1);
  monitor.stop();
  monitor.add(backends[0]!);
  t.equal(probe(0).asked, 1, 'nothing after stop');
});

t.test('1,000 backends: first probes within half a second, and no storm at any time', async t => {
  const clock = new FakeClock();
  const pool = new Pool();
  const times: number[] = [];
  const monitor = new HealthMonitor(config({ jitter: 0.1 }), {
    clock,
    probeFor: () => ({
      description: 'counting',
      check: async () => {
        times.push(clock.now());
        return WELL;
      },
    }),
  });
  for (let i = 0; i < 1_000; i++) monitor.add(pool.backend(`b${i}`));
  t.equal(times.length, 32, 'the first go out in this very tick');
  await clock.advance(500);
  t.equal(times.length, 1_000);
  await clock.advance(9_500);
  const windows = new Map<number, number>();
  for (const time of times) {
    const window = Math.floor(time / 10);
    windows.set(window, (windows.get(window) ?? 0) + 1);
  }
  const most = Math.max(...windows.values());
  t.ok(most <= 64, `at most 64 probes in 10 ms, got ${most}`);
  monitor.stop();
  t.ok(clock.pending <= 1);
});

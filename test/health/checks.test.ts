import t from 'tap';
import { Secret } from '../../src/config/secret.js';
import { Checks } from '../../src/health/checks.js';
import { HealthMonitor, type MonitorConfig } from '../../src/health/monitor.js';
import { questionKey } from '../../src/health/question.js';
import type { HealthSettings } from '../../src/health/settings.js';
import { FakeClock } from './fake-clock.js';
import { FakeProbe, Pool, settings } from './helpers.js';
import { local, PLAIN } from './servers.js';

function setUp() {
  const clock = new FakeClock();
  const checks = new Checks(clock, () => 0.5);
  const probe = new FakeProbe();
  let made = 0;
  const question = (key = 'a') => ({
    key,
    schedule: { interval: 1_000, fast: 100, timeout: 500, jitter: 0 },
    probe: () => {
      made++;
      return probe;
    },
  });
  return { clock, checks, probe, question, made: () => made };
}

t.test('one question is asked once, however many want the answers', async t => {
  const { clock, checks, probe, question, made } = setUp();
  const heard = [0, 0, 0];
  const cancels = heard.map((_, i) => checks.subscribe(question(), 0, () => heard[i]!++));
  await clock.advance(10_500);
  t.equal(made(), 1);
  t.equal(checks.size, 1);
  t.equal(probe.asked, 11);
  t.strictSame(heard, [11, 11, 11]);
  cancels[1]!.stop();
  cancels[1]!.stop();
  await clock.advance(1_000);
  t.strictSame(heard, [12, 11, 12]);
  cancels[0]!.stop();
  cancels[2]!.stop();
  await clock.advance(5_000);
  t.equal(probe.asked, 12, 'nobody wants to know any more');
  t.equal(checks.size, 0);
  t.equal(clock.pending, 0);
});

t.test('who comes later is answered at once', async t => {
  const { clock, checks, probe, question } = setUp();
  const stop = checks.subscribe(question(), 0, () => {});
  await clock.advance(300);
  t.equal(probe.asked, 1);
  let heard = 0;
  checks.subscribe(question(), 9_999, () => heard++);
  await clock.advance(0);
  t.equal(heard, 1);
  await clock.advance(900);
  t.equal(probe.asked, 2, 'and the next one is an interval after that');
  await clock.advance(100);
  t.equal(probe.asked, 3);
  probe.answer = 'hang';
  await clock.advance(1_000);
  checks.subscribe(question(), 0, () => {});
  t.equal(probe.mostInFlight, 1, 'never twice at a time');
  stop.stop();
});

t.test('a listener that leaves while it listens, and one that brings another', async t => {
  const { clock, checks, question } = setUp();
  const heard: string[] = [];
  const first = checks.subscribe(question(), 0, () => {
    heard.push('first');
    first.stop();
    second.stop();
    checks.subscribe(question(), 0, () => heard.push('third'));
  });
  const second = checks.subscribe(question(), 0, () => heard.push('second'));
  await clock.advance(0);
  t.strictSame(heard.slice(0, 2), ['first', 'third']);
  t.notOk(heard.includes('second'));
});

t.test('what makes a question another one', async t => {
  const key = (overrides: Partial<HealthSettings> = {}, context = PLAIN, port = 1) =>
    questionKey(settings({ kind: 'redis', ...overrides }), local(port), context);
  const base = key();
  t.equal(
    key({ role: 'primary', max_lag: 5, fall: 9, rise: 9, on_down: 'close' }),
    base,
    'what is made of it',
  );
  t.equal(key({ password: new Secret('a') }), key({ password: new Secret('a') }));
  const others = [
    key({ interval: 1 }),
    key({ timeout: 1 }),
    key({ port: 9 }),
    key({ password: new Secret('a') }),
    key({ password: new Secret('b') }),
    key({ user: 'a' }),
    key({ tls: { verify: true } }),
    key({ tls: { verify: false } }),
    key({ send: Buffer.from('x') }),
    key({}, { ...PLAIN, source: '10.0.0.1' } as never),
    key({}, { ...PLAIN, preamble: Uint8Array.of(1) } as never),
    key({}, PLAIN, 2),
  ];
  t.equal(new Set([base, ...others]).size, others.length + 1);
  t.notMatch(key({ password: new Secret('hush') }), /hush/);
});

t.test('two services over one server: one probe, and each its own opinion', async t => {
  const clock = new FakeClock();
  const checks = new Checks(clock);
  const pool = new Pool();
  const probe = new FakeProbe();
  probe.finding = { role: 'replica', lagMs: 0 };
  const service = (overrides: Partial<HealthSettings>) => {
    const config: MonitorConfig = { ...PLAIN, settings: settings({ kind: 'redis', ...overrides }) };
    const monitor = new HealthMonitor(config, { clock, checks, probeFor: () => probe });
    const backend = pool.backend(`${overrides.role}`, { endpoint: local(7) });
    monitor.add(backend);
    return { monitor, backend };
  };
  const rw = service({ role: 'primary' });
  const ro = service({ role: 'replica', fall: 1 });
  await clock.advance(2_000);
  t.equal(probe.asked, 2);
  t.strictSame([rw.backend.state, ro.backend.state], ['down', 'up']);
  probe.finding = { role: 'primary' };
  await clock.advance(4_000);
  t.strictSame([rw.backend.state, ro.backend.state], ['up', 'down']);
  rw.monitor.stop();
  await clock.advance(2_000);
  t.equal(probe.asked, 5, 'the other goes on');
  ro.monitor.stop();
  t.equal(clock.pending, 0);
});

t.test(
  'who is in a hurry has it asked more often; who is not hears of failures as often as before',
  async t => {
    const { clock, checks, probe, question } = setUp();
    const heard: string[] = [];
    const hasty = checks.subscribe(question(), 0, ({ result }) => heard.push(`hasty ${result}`));
    checks.subscribe(question(), 0, ({ result }) => heard.push(`calm ${result}`));
    await clock.advance(500);
    heard.length = 0;
    const asked = probe.asked;
    probe.answer = 'refused';
    hasty.hasten(true);
    await clock.advance(3_000);
    const count = (line: string) => heard.filter(one => one === line).length;
    t.equal(probe.asked - asked, 31, 'at once, and then each 100 ms');
    t.equal(count('hasty failed'), 31);
    t.equal(count('calm failed'), 3);
    probe.answer = 'ok';
    await clock.advance(100);
    t.equal(count('calm ok'), 1, 'good news come as they are');
    hasty.stop();
    const then = probe.asked;
    await clock.advance(3_000);
    t.ok(probe.asked - then <= 4, 'and back to the ordinary pace');
  },
);

t.test('a server that says itself that it is not ready is not asked more often', async t => {
  const { clock, checks, probe, question } = setUp();
  probe.answer = 'said';
  const hasty = checks.subscribe(question(), 0, () => {});
  hasty.hasten(true);
  await clock.advance(5_000);
  t.equal(probe.asked, 6);
});

t.test('a question that is asked again while its answer is told goes on once', async t => {
  const { clock, checks, probe, question } = setUp();
  let first = true;
  const asking = checks.subscribe(question(), 0, () => {
    if (first) asking.hurry();
    first = false;
  });
  await clock.advance(10_500);
  t.equal(probe.asked, 12);
});

t.test('a service without a usable backend asks all of them at the fast pace', async t => {
  const clock = new FakeClock();
  const pool = new Pool();
  const probes = new Map(['a', 'b'].map(id => [id, new FakeProbe()]));
  const [a, b] = [...probes.values()] as [FakeProbe, FakeProbe];
  a.finding = { role: 'primary' };
  b.finding = { role: 'replica', lagMs: 0 };
  const config: MonitorConfig = {
    ...PLAIN,
    settings: settings({ kind: 'redis', role: 'primary', interval: 5_000, fast_interval: 0 }),
  };
  const monitor = new HealthMonitor(config, { clock, probeFor: ({ id }) => probes.get(id)! });
  const backends = [...probes.keys()].map(id => pool.backend(id, { trusted: false }));
  for (const backend of backends) monitor.add(backend);
  await clock.advance(2_000);
  t.strictSame(
    backends.map(({ state }) => state),
    ['up', 'down'],
  );
  const asked = b.asked;
  a.answer = 'refused';
  monitor.passiveFailure(backends[0]!, '3 connections failed');
  await clock.advance(10);
  t.equal(b.asked, asked + 1, 'at once');
  b.finding = { role: 'primary' };
  await clock.advance(1_010);
  t.equal(backends[1]!.state, 'up', 'rise x fast_interval after it was promoted');
  const then = b.asked;
  await clock.advance(20_000);
  t.ok(b.asked - then <= 5, 'and back to the ordinary pace');
  monitor.stop();
  t.equal(clock.pending, 0);
});

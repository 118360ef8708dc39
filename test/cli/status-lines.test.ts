import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import { statusLines } from '../../src/cli/operate/status-lines.js';
import { colours, noPaint } from '../../src/cli/style.js';
import { widthOf } from '../../src/cli/table.js';
import { backendStatus, instanceStatus, serviceStatus } from '../fixtures/status.js';

const STATUS = instanceStatus(
  [
    serviceStatus('pg', [
      backendStatus('10.0.0.1:5432', {
        active: 12,
        total: 123_456,
        bytes_in: 1_234_567,
        bytes_out: 5_600_000_000,
        latency_ms: 3.42,
      }),
      backendStatus('replica-2.eu-west-1.internal.example.com:5432', {
        state: 'down',
        down_reason: '3 probes failed: connection refused',
      }),
      backendStatus('10.0.0.3:5432', {
        state: 'maintenance',
        weight: 10,
        runtime: { state: 'maint', weight: 10 },
      }),
      backendStatus('10.0.0.4:5432', { state: 'down', down_reason: 'refused', runtime: { added: true } }),
    ]),
    serviceStatus('dns', [], {
      protocol: 'udp',
      listen: ['0.0.0.0:53', '[::]:53'],
      removed: ['10.0.0.9:53'],
    }),
  ],
  { uptime_seconds: 273_661, threads: 2, engine: 'epoll' },
);

t.test('80 columns', async t => {
  t.same(statusLines(STATUS, 80, noPaint), [
    'edge: lb4 0.1.0, engine epoll, 2 threads, pid 4711, up 3d 4h',
    '',
    'pg  1 of 4 usable, 12 connections, least-connections, tcp 0.0.0.0:5432',
    '  BACKEND                  STATE  WEIGHT  ACTIVE  TOTAL      IN     OUT  LATENCY',
    '  10.0.0.1:5432            up          1      12   123k  1.2 MB  5.6 GB   3.4 ms',
    '  replica-2.e…le.com:5432  down        1       0      0     0 B     0 B        -',
    '    3 probes failed: connection refused',
    '  10.0.0.3:5432            maint      10       0      0     0 B     0 B        -',
    '    changed while running: state maint, weight 10',
    '  10.0.0.4:5432            down        1       0      0     0 B     0 B        -',
    '    refused; changed while running: added',
    '',
    'dns  0 of 0 usable, 0 flows, least-connections, udp 0.0.0.0:53, [::]:53',
    '  no backends',
    '  removed while running: 10.0.0.9:53',
  ]);
});

t.test('wide: nothing is shortened, and what there is to say stands behind', async t => {
  const wide = statusLines(STATUS, Number.POSITIVE_INFINITY, noPaint);
  t.match(wide[3], / LATENCY {2}NOTE$/);
  t.match(
    wide[5],
    /^ {2}replica-2\.eu-west-1\.internal\.example\.com:5432 {2}down .* 3 probes failed: connection refused$/,
  );
  t.same(statusLines(STATUS, 160, noPaint), wide);
});

t.test('colours change nothing but colours', async t => {
  const painted = statusLines(STATUS, 80, colours);
  t.match(painted.join('\n'), '\u001b[31mdown\u001b[0m');
  const plain = painted.map(stripVTControlCharacters);
  t.same(plain, statusLines(STATUS, 80, noPaint));
});

t.test('fits 80 columns and is escaped, whatever names and figures there are', async () => {
  const figure = fc.double({ min: 0, max: 1e15, noNaN: true });
  const backend = fc.record({
    id: fc.string({ maxLength: 150, unit: 'binary' }),
    state: fc.constantFrom('up', 'down', 'checking', 'draining', 'maintenance'),
    weight: fc.nat(65_535),
    active: fc.nat(1_000_000),
    total: figure,
    bytes_in: figure,
    bytes_out: figure,
    latency_ms: fc.option(fc.double({ min: 0, max: 9e5, noNaN: true })),
    down_reason: fc.string({ maxLength: 200, unit: 'binary' }),
  });
  const id = fc.string({ maxLength: 150, unit: 'binary' });
  const gone = fc.record({
    removed: fc.array(id),
    leaving: fc.array(fc.record({ id, address: id, active: fc.nat(1_000_000) })),
  });
  fc.assert(
    fc.property(
      fc.array(backend),
      fc.string({ unit: 'binary', maxLength: 64 }),
      gone,
      (backends, name, more) => {
        const service = serviceStatus(
          name,
          backends.map(({ id, ...more }) => backendStatus(id, more as object)),
          more,
        );
        for (const line of statusLines(instanceStatus([service]), 80, noPaint)) {
          if (widthOf(line) > 80 || /[\p{Cc}\u202e]/u.test(line)) throw new Error(line);
        }
      },
    ),
    { numRuns: 300 },
  );
});

import t, { type Test } from 'tap';
import type { ConfigInput } from '../../src/config/schema.js';
import { startAdministered } from '../fixtures/api.js';
import { backend, freePort, named, sink, type TestBackend } from '../fixtures/backends.js';
import { oneService } from '../fixtures/balancer.js';
import { ask, client } from '../fixtures/clients.js';
import { scrape } from '../fixtures/metrics.js';
import { until } from '../fixtures/until.js';

type Settings = Omit<ConfigInput['services'][string], 'listen' | 'backends'>;

interface Case {
  readonly what: string;
  readonly settings: Settings;
  /** In front of the backend that works; `DEAD` is a port that nobody listens on. */
  readonly backends?: readonly 'DEAD'[];
  readonly quiet?: boolean;
  /** Connections to make, one after the other; the last one ends as told. */
  readonly count?: number;
  /** The clients stay, instead of ending themselves. */
  readonly stay?: boolean;
  readonly reason: string;
  readonly detail: string;
  readonly served?: boolean;
}

const CASES: readonly Case[] = [
  { what: 'deny', settings: { deny: ['127.0.0.0/8'] }, reason: 'denied', detail: 'deny' },
  { what: 'allow', settings: { allow: ['10.0.0.0/8'] }, reason: 'denied', detail: 'allow' },
  {
    what: 'a limit of connections',
    settings: { max_connections: 1 },
    count: 2,
    stay: true,
    reason: 'limit',
    detail: 'the service is at max_connections',
  },
  {
    what: 'a limit of connections for each client',
    settings: { max_connections_per_client: 1 },
    count: 2,
    stay: true,
    reason: 'limit',
    detail: 'max_connections_per_client',
  },
  {
    what: 'a rate',
    settings: { connection_rate: '1/m' },
    count: 2,
    reason: 'limit',
    detail: 'connection_rate',
  },
  {
    what: 'a rate for each client',
    settings: { connection_rate_per_client: '1/m' },
    count: 2,
    reason: 'limit',
    detail: 'connection_rate_per_client',
  },
  {
    what: 'silence',
    settings: { timeouts: { idle: '100ms' } },
    quiet: true,
    stay: true,
    reason: 'idle_timeout',
    detail: 'idle',
    served: true,
  },
  {
    what: 'half of a connection',
    settings: { timeouts: { half_closed: '100ms' } },
    quiet: true,
    reason: 'idle_timeout',
    detail: 'half_closed',
    served: true,
  },
  {
    what: 'a backend that refused, before another one served',
    settings: { strategy: 'first' },
    backends: ['DEAD'],
    reason: 'client_closed',
    detail: 'an earlier attempt: connection refused',
    served: true,
  },
];

async function run(t: Test, one: Case): Promise<void> {
  const holding: TestBackend = await backend(t, peer => {
    if (one.quiet === true) peer.socket.resume();
    else {
      named('a')(peer);
    }
  });
  const dead = await Promise.all(
    (one.backends ?? []).map(async () => ({ name: 'dead', address: `127.0.0.1:${await freePort()}` })),
  );
  const backends = [...dead, { name: 'good', address: holding.address }];
  const lb = await startAdministered(t, oneService({ ...one.settings, backends }));
  for (let i = 0; i < (one.count ?? 1); i++) {
    const peer = client(t, lb.port());
    await until('connected', () => !peer.socket.connecting);
    if (one.stay !== true) peer.finish('q');
    else if (one.quiet !== true) await Promise.race([peer.reads(1), peer.end()]).catch(() => {});
  }
  const line = await until('its line', () => lb.log.connections.find(({ reason }) => reason === one.reason));
  t.match(line, { detail: one.detail, backend: one.served === true ? 'good' : '' });
  const page = await scrape(lb);
  t.equal(page.sum('lb4_connections_closed_total', { reason: one.reason, backend: line.backend }), 1);
}

for (const one of CASES)
  t.test(`the log and the metrics say why a connection ended: ${one.what}`, t => run(t, one));

t.test(
  'the log, the metrics and the status say why a backend is down, and what became of its connections',
  async t => {
    const server = await backend(t, sink);
    const other = await backend(t, named('b'));
    const settings = { interval: '20ms', timeout: '1s', fall: 2, rise: 1, on_down: 'close' as const };
    const lb = await startAdministered(
      t,
      oneService({
        strategy: 'first',
        backends: [
          { name: 'a', address: server.address },
          { name: 'b', address: other.address },
        ],
        health: settings,
      }),
    );
    await lb.log.line('backend is up');
    const held = client(t, lb.port());
    await until(
      'connected',
      async () => (await scrape(lb)).sum('lb4_connections_active', { backend: 'a' }) === 1,
    );
    server.deafen();
    const down = await lb.log.line('backend is down');
    t.match(down, {
      level: 40,
      service: 'main',
      backend: 'a',
      reason: '2 probes failed: connection refused',
    });
    await held.end();
    t.match(await lb.log.only(), { backend: 'a', reason: 'backend_down' });
    t.equal(await ask(t, lb.port(), 'q'), 'bq');
    const page = await scrape(lb);
    t.equal(page.sum('lb4_backend_state', { backend: 'a', state: 'down' }), 1);
    t.equal(page.sum('lb4_backend_up', { backend: 'a' }), 0);
    t.ok(page.sum('lb4_health_checks_total', { backend: 'a', result: 'failed' }) >= 2);
    t.equal(page.sum('lb4_connections_closed_total', { backend: 'a', reason: 'backend_down' }), 1);
    t.match(lb.service().backends[0], { state: 'down', down_reason: '2 probes failed: connection refused' });
  },
);

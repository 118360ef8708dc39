import t from 'tap';
import { leaks } from '../../scripts/churn/leaks.js';
import { ENGINE } from '../fixtures/balancer.js';

t.test('connections of all endings leave descriptors and heap where they were', async t => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000_000);
  const threads = ENGINE === 'epoll' ? 2 : 1;
  t.comment(`again: SEED=${seed}`);
  const { faults, reasons, before, after } = await leaks({
    engine: ENGINE,
    connections: 5_000,
    seed,
    threads,
    say: line => t.comment(line),
  });
  t.strictSame(faults, [], JSON.stringify({ before, after }));
  const met = ['client_closed', 'backend_closed', 'client_reset', 'backend_reset', 'connect_failed'];
  met.push('connect_timeout', 'idle_timeout', 'denied', 'limit', 'bad_proxy_header');
  for (const reason of met) t.ok(reasons[reason]! > 0, `${reason}: ${reasons[reason]}`);
});

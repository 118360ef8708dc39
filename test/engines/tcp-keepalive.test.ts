import { execFileSync } from 'node:child_process';
import t from 'tap';
import { backend, sink } from '../fixtures/backends.js';
import { config, startBalancer } from '../fixtures/balancer.js';
import { client } from '../fixtures/clients.js';
import { until } from '../fixtures/until.js';

/** What `ss` shows of established sockets of this machine, a line each. */
function sockets(filter: string, ...flags: string[]): string[] {
  const text = execFileSync('ss', ['-tnHO', ...flags, 'state', 'established', filter], { encoding: 'utf8' });
  return text.split('\n').filter(line => line !== '');
}

/** Seconds to the next keepalive probe of each such socket that has a timer for it. */
function probesIn(filter: string): number[] {
  return sockets(filter, '-o').flatMap(line => {
    const [, minutes = '0', seconds] = /keepalive,(?:(\d+)min)?(?:(\d+)(?:\.\d+)?sec)?/.exec(line) ?? [];
    return seconds === undefined && minutes === '0' ? [] : [60 * Number(minutes) + Number(seconds ?? 0)];
  });
}

t.test('keepalive: both ends of a connection that lasts are probed', async t => {
  const server = await backend(t, sink);
  const quiet = await backend(t, sink);
  const service = { listen: '127.0.0.1:0', health: { kind: 'none' as const } };
  const lb = await startBalancer(
    t,
    config({
      on: { ...service, backends: [server.address], socket: { keepalive: '50s' } },
      off: { ...service, backends: [quiet.address], socket: { keepalive: '0s' } },
    }),
  );
  client(t, lb.port('off'));
  await until('the first is connected', () => quiet.peers.length === 1);
  client(t, lb.port('on'));
  const ends = [`sport = :${lb.port('on')}`, `dport = :${server.port}`];
  for (const end of ends) {
    const [seconds] = await until('a keepalive timer', () => {
      const found = probesIn(end);
      return found.length > 0 ? found : undefined;
    });
    t.ok(seconds! >= 30 && seconds! <= 50, `${end}: ${seconds} s`);
  }
  t.same(probesIn(`sport = :${lb.port('off')}`), [], 'none where it is switched off');
  t.same(probesIn(`dport = :${quiet.port}`), []);
});

import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../test/fixtures/backends.js';
import { until } from '../../test/fixtures/until.js';
import { cli, Redis } from '../../test/integration/redis-server.js';
import type { Candidate, Front } from './candidates.js';
import { Cleanup } from './cleanup.js';
import { redisBenchmark } from './load.js';
import { type Change, Clients, type Outcome, visits } from './outcome.js';
import { redisSession } from './redis-session.js';

export interface RedisOutcome extends Outcome {
  /** Sessions that the old primary still had a while after the change (switch), or that came to it when it was back (kill). */
  readonly astray: number;
}

export interface RedisOutcomes {
  readonly switched: Map<string, RedisOutcome>;
  readonly killed: Map<string, RedisOutcome>;
}

const STEADY_MS = 2_000;
const LATER_MS = 3_000;
const BACK_MS = 2_000;

/** FAILOVER under load; then kill -9 of the new primary, REPLICAOF NO ONE, and the killed one comes back as a primary. */
export async function failRedis(candidates: readonly Candidate[]): Promise<RedisOutcomes> {
  const owner = new Cleanup();
  try {
    const args = ['--repl-ping-replica-period', '1'];
    const a = new Redis(owner, 'a', await freePort(), args);
    await a.up();
    const follow = [...args, '--replicaof', `127.0.0.1 ${a.port}`];
    const b = new Redis(owner, 'b', await freePort(), args);
    const c = new Redis(owner, 'c', await freePort(), follow);
    await Promise.all([b.up(), c.up()]);
    // By command and not by its arguments: when it comes back it is to think that it is a primary.
    await b.cli('replicaof', '127.0.0.1', String(a.port));
    for (const one of [b, c])
      await until('linked', async () => (await one.cli('info', 'replication')).includes('link_status:up'));
    const ports = [a, b, c].map(({ port }) => port);
    const fronts: Front[] = [];
    for (const one of candidates) fronts.push(await one.start(owner, 'redis', ports));
    for (const { name, primary } of fronts) {
      await until(`${name} serves`, async () => (await cli(primary, 'set', 'x', '1')) === 'OK');
    }
    const switched = await under(owner, fronts, async () => {
      const at = performance.now();
      await a.cli('failover', 'to', '127.0.0.1', String(b.port));
      await until('b is the primary', async () => (await b.cli('role')).startsWith('master'));
      return { at, newSince: performance.now(), from: String(a.port), to: String(b.port) };
    });
    await sleep(LATER_MS);
    const left = (await a.cli('client', 'list')).split('\n');
    const leftOf = (name: string) => left.filter(line => line.includes(` name=${name} `)).length;
    for (const one of [a, c]) {
      await one.cli('replicaof', '127.0.0.1', String(b.port));
      await until('linked', async () => (await one.cli('info', 'replication')).includes('link_status:up'));
    }
    await switched.stop();
    const killed = await under(owner, fronts, async () => {
      const at = performance.now();
      await b.kill();
      await c.cli('replicaof', 'no', 'one');
      const newSince = performance.now();
      await a.cli('replicaof', '127.0.0.1', String(c.port));
      return { at, newSince, from: String(b.port), to: String(c.port) };
    });
    await killed.stop();
    await b.up();
    const astray = await Promise.all(
      fronts.map(({ name, primary }) => visits(() => redisSession(primary, name), String(b.port), BACK_MS)),
    );
    return {
      switched: new Map(
        fronts.map(({ name }, i) => [name, { ...switched.outcomes[i]!, astray: leftOf(name) }]),
      ),
      killed: new Map(fronts.map(({ name }, i) => [name, { ...killed.outcomes[i]!, astray: astray[i]! }])),
    };
  } finally {
    await owner.end();
  }
}

/** A change under load, and what the clients of each balancer saw of it. */
async function under(owner: Cleanup, fronts: readonly Front[], change: () => Promise<Change>) {
  const loads = fronts.map(({ primary }) => redisBenchmark(owner, primary));
  const clients = fronts.map(({ name, primary }) => new Clients(() => redisSession(primary, name)));
  const stop = async (): Promise<void> => {
    await Promise.all(clients.map(one => one.stop()));
    await Promise.all(loads.map(load => load.end()));
  };
  owner.teardown(stop);
  await until('all write', () => clients.every(one => one.haveWritten(20)));
  await sleep(STEADY_MS);
  const changed = await change();
  await until('all are there', () => clients.every(one => one.have(changed.to)), 45_000);
  return { outcomes: clients.map(one => one.outcome(changed)), stop };
}

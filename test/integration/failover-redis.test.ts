/** The laboratory of docs/databases.md (`npm run lab`), once: real servers, real faults, HAProxy beside it. */
import t from 'tap';
import { CANDIDATES } from '../../scripts/lab/candidates.js';
import { failRedis, type RedisOutcome } from '../../scripts/lab/redis.js';
import { needs } from './programs.js';

const HERE = CANDIDATES.filter(({ name }) => name !== 'haproxy-fastinter');
const LB4 = HERE.map(({ name }) => name).filter(name => name.startsWith('lb4'));
/** interval × rise, and what a busy machine adds. */
const REACH_MS = 2_000 + 1_500;

t.test(
  'Redis: FAILOVER, and kill -9, under load',
  needs('redis-server', 'redis-cli', 'redis-benchmark', 'haproxy'),
  async t => {
    const { switched, killed } = await failRedis(HERE);
    t.comment(switched, killed);
    const check = (outcomes: ReadonlyMap<string, RedisOutcome>) => {
      const theirs = outcomes.get('haproxy')!;
      for (const name of LB4) {
        const ours = outcomes.get(name)!;
        t.equal(ours.failedConnects, 0, `${name}: nobody is turned away`);
        t.equal(ours.astray, 0, `${name}: no session is left on the old primary, or goes there`);
        t.ok(ours.reach <= REACH_MS, `${name}: at the new primary after ${ours.reach} ms`);
        t.ok(
          ours.unavailable <= theirs.unavailable,
          `${name}: ${ours.unavailable} ms, HAProxy ${theirs.unavailable} ms`,
        );
      }
    };
    check(switched);
    check(killed);
  },
);

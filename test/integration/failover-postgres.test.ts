/** The laboratory of docs/databases.md (`npm run lab`), once: real servers, real faults, HAProxy beside it. */
import t from 'tap';
import { CANDIDATES } from '../../scripts/lab/candidates.js';
import { failPostgres } from '../../scripts/lab/postgres.js';
import { PROGRAMS } from './postgres-server.js';
import { needs } from './programs.js';

const HERE = CANDIDATES.filter(({ name }) => name !== 'haproxy-fastinter');
const LB4 = HERE.map(({ name }) => name).filter(name => name.startsWith('lb4'));
/** interval × rise, and what a busy machine adds. */
const REACH_MS = 2_000 + 1_500;

t.test(
  'PostgreSQL: kill -9 of the primary under load, and a promotion',
  needs(...PROGRAMS, 'pgbench', 'haproxy'),
  async t => {
    const outcomes = await failPostgres(HERE);
    t.comment(outcomes);
    const theirs = outcomes.get('haproxy')!;
    for (const name of LB4) {
      const ours = outcomes.get(name)!;
      t.equal(ours.failedConnects, 0, `${name}: nobody is turned away`);
      t.ok(ours.reach <= REACH_MS, `${name}: at the new primary after ${ours.reach} ms`);
      t.ok(
        ours.unavailable <= theirs.unavailable,
        `${name}: ${ours.unavailable} ms, HAProxy ${theirs.unavailable} ms`,
      );
      t.equal(ours.astray, 0, `${name}: no session goes to the old primary when it is back`);
      t.equal(ours.readErrors + ours.writeErrors, 0, `${name}: pgbench has no errors`);
      t.equal(ours.logLines, 0, `${name}: probes leave no line in a log`);
    }
  },
);

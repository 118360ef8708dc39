/** npm run lab: failovers of real databases behind lb4 and HAProxy, side by side. Prints the tables of docs/databases.md. */
import { CANDIDATES } from './candidates.js';
import { failPostgres } from './postgres.js';
import { failRedis } from './redis.js';
import { type Rows, table } from './table.js';

const USAGE = `npm run lab [-- RUNS]   RUNS: how often each failover is made, 1 to 20 (default 5)`;

const runs = Number(process.argv[2] ?? 5);
if (!Number.isInteger(runs) || runs < 1 || runs > 20) {
  console.error(USAGE);
  process.exit(2);
}

const postgres: Rows[] = [];
const switched: Rows[] = [];
const killed: Rows[] = [];
for (let run = 1; run <= runs; run++) {
  console.error(`run ${run} of ${runs}`);
  postgres.push((await failPostgres(CANDIDATES)) as unknown as Rows);
  const redis = await failRedis(CANDIDATES);
  switched.push(redis.switched as unknown as Rows);
  killed.push(redis.killed as unknown as Rows);
}
const names = CANDIDATES.map(({ name }) => name);
const common = {
  unavailable: 'no write taken, ms',
  reach: '… of which the new primary was there already, ms',
  failedConnects: 'failed connections',
};
console.log(
  table('PostgreSQL: kill -9 of the primary, pg_ctl promote', names, postgres, {
    ...common,
    readErrors: 'errors of pgbench -S meanwhile',
    writeErrors: 'errors of pgbench -N afterwards',
    astray: 'sessions that went to the old primary when it came back',
    logLines: 'log lines caused by probes',
  }),
);
console.log(
  table('Redis: FAILOVER', names, switched, {
    ...common,
    refused: 'writes refused (READONLY)',
    stayed: 'sessions stayed on the demoted server, ms',
    astray: 'sessions left there',
  }),
);
console.log(
  table('Redis: kill -9 of the primary, REPLICAOF NO ONE', names, killed, {
    ...common,
    astray: 'sessions that went to the old primary when it came back',
  }),
);

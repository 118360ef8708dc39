import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { until } from '../../test/fixtures/until.js';
import { Postgres, psql } from '../../test/integration/postgres-server.js';
import { execute } from '../../test/integration/programs.js';
import type { Candidate, Front } from './candidates.js';
import { Cleanup } from './cleanup.js';
import { pgbench, pgbenchErrors } from './load.js';
import { Clients, type Outcome, visits } from './outcome.js';
import { pgSession } from './pg-session.js';

export interface PostgresOutcome extends Outcome {
  /** Sessions that came to the old primary when it was back, as a second one. */
  readonly astray: number;
  /** Errors of pgbench -S through the port for reads, over the whole of it. */
  readonly readErrors: number;
  /** Errors of pgbench -N through the port of the primary, after the change. */
  readonly writeErrors: number;
  /** Lines in the servers' logs that probes are the cause of. */
  readonly logLines: number;
}

const STEADY_MS = 2_000;
const BACK_MS = 2_000;
const READ_SECONDS = 10;

/** A line's beginning is the application's name: who caused it. */
const SETTINGS = ['log_line_prefix=%a|', 'max_connections=200'];
/** What a probe that does not speak properly leaves behind, as nobody's line. */
const COMPLAINTS = /incomplete startup packet|invalid length of startup packet|unsupported frontend protocol/;

/** What every session leaves behind when the server is killed under it. */
const OF_THE_FAULT = /unexpected postmaster exit/;

/** kill -9 of the primary under load, and pg_ctl promote; then the old one comes back and thinks that nothing happened. */
export async function failPostgres(candidates: readonly Candidate[]): Promise<Map<string, PostgresOutcome>> {
  const owner = new Cleanup();
  try {
    const options = { settings: SETTINGS };
    const a = await Postgres.primary(owner, options);
    const b = await a.replica(owner, SETTINGS);
    const c = await a.replica(owner, SETTINGS);
    const servers = [a, b, c];
    await a.sql('create table lab (id bigserial, who text)');
    await execute('pgbench', [
      '-i',
      '-q',
      '-h',
      '127.0.0.1',
      '-p',
      String(a.port),
      '-U',
      'postgres',
      'postgres',
    ]);
    const ports = servers.map(({ port }) => port);
    const fronts: Front[] = [];
    for (const one of candidates) fronts.push(await one.start(owner, 'postgres', ports));
    for (const { name, primary, reads } of fronts) {
      await until(
        `${name} serves`,
        async () => (await psql(primary, 'select 1')) + (await psql(reads, 'select 1')) === '11',
      );
    }

    const reading = fronts.map(({ reads }) => pgbench(owner, reads, 'select-only', READ_SECONDS));
    for (const { primary } of fronts) pgbench(owner, primary, 'simple-update', READ_SECONDS);
    const opens = fronts.map(
      ({ name, primary }) =>
        () =>
          pgSession(primary, name),
    );
    const clients = opens.map(open => new Clients(open));
    owner.teardown(() => Promise.all(clients.map(one => one.stop())));
    await until('all write', () => clients.every(one => one.haveWritten(20)));
    await sleep(STEADY_MS);

    const watcher = new pg.Client({
      host: '127.0.0.1',
      port: b.port,
      user: 'postgres',
      database: 'postgres',
    });
    watcher.on('error', () => {});
    await watcher.connect();
    owner.teardown(() => watcher.end().catch(() => {}));
    const at = performance.now();
    await a.kill();
    const promoted = b.promote();
    await until('promoted', async () => {
      const { rows } = await watcher.query('select pg_is_in_recovery() as r');
      return rows[0].r === false;
    });
    const change = { at, newSince: performance.now(), from: String(a.port), to: String(b.port) };
    await promoted;
    await until('all are there', () => clients.every(one => one.have(change.to)), 45_000);
    await Promise.all(clients.map(one => one.stop()));

    const after = fronts.map(({ primary }) => pgbench(owner, primary, 'simple-update', 2));
    const writeErrors = (await Promise.all(after.map(load => load.through()))).map(pgbenchErrors);
    const readErrors = (await Promise.all(reading.map(load => load.through()))).map(pgbenchErrors);
    await a.up();
    const astray = await Promise.all(opens.map(open => visits(open, String(a.port), BACK_MS)));
    const lines = servers
      .flatMap(({ output }) => output.split('\n'))
      .filter(line => !OF_THE_FAULT.test(line));
    const complaints = lines.filter(line => COMPLAINTS.test(line)).length;
    const saidOf = (app: string) => lines.filter(line => line.startsWith(`${app}|`)).length + complaints;
    return new Map(
      fronts.map(({ name }, i) => [
        name,
        {
          ...clients[i]!.outcome(change),
          astray: astray[i]!,
          readErrors: readErrors[i]!,
          writeErrors: writeErrors[i]!,
          logLines: saidOf(name.startsWith('lb4') ? 'lb4' : 'haproxy'),
        },
      ]),
    );
  } finally {
    await owner.end();
  }
}

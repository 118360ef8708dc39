/** The example of docs/embedding.md: an application proves its own retry logic against a database that misbehaves. */
import pg from 'pg';
import t, { type Test } from 'tap';
import { createBalancer } from '../../src/index.js';
import { Postgres, PROGRAMS } from '../integration/postgres-server.js';
import { needs } from '../integration/programs.js';
import { readAgain } from './app.js';

const TOOLS = needs(...PROGRAMS);

async function database(t: Test) {
  const { address } = await Postgres.primary(t);
  const balancer = createBalancer(
    {
      services: { pg: { listen: '127.0.0.1:0', backends: [{ name: 'db1', address }] } },
    },
    { faults: true },
  );
  await balancer.start();
  const front = Number(balancer.addresses[0]!.address.split(':').at(-1));
  const pool = new pg.Pool({
    host: '127.0.0.1',
    port: front,
    user: 'postgres',
    database: 'postgres',
    max: 2,
  });
  pool.on('error', () => {}); // an idle connection broke; the next query takes another
  t.teardown(async () => {
    await pool.end();
    await balancer.destroy();
  });
  return { balancer, pool };
}

t.test('a connection that breaks in the middle of an answer', TOOLS, async t => {
  const { balancer, pool } = await database(t);
  const fault = await balancer.inject('pg', 'db1', { kind: 'reset', afterBytes: 500, connections: 2 });
  const { rows } = await readAgain(pool, "select repeat('x', 2000) as text");
  t.equal(rows[0].text.length, 2000, 'the application got its answer');
  t.equal(fault.hits, 2, 'although two connections broke under it');
  t.ok(balancer.snapshot().services[0]!.backends[0]!.total >= 3);
});

t.test('a database that refuses for a while', TOOLS, async t => {
  const { balancer, pool } = await database(t);
  await balancer.inject('pg', 'db1', { kind: 'refuse', connections: 2 });
  t.equal((await readAgain(pool, 'select 1 as one')).rows[0].one, 1);
});

t.test('an error of the application is not tried again', TOOLS, async t => {
  const { balancer, pool } = await database(t);
  await t.rejects(readAgain(pool, 'select no_such_column'), { code: '42703' });
  t.equal(balancer.snapshot().services[0]!.backends[0]!.total, 1);
});

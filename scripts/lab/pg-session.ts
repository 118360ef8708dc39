import pg from 'pg';
import type { Session } from './writer.js';

/** As long as the queue of lb4 and more. */
const CONNECT_MS = 40_000;

/** A login through a balancer, and what it writes: one row a time. */
export async function pgSession(port: number, name: string): Promise<Session> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: 'postgres',
    database: 'postgres',
    application_name: name,
    connectionTimeoutMillis: CONNECT_MS,
  });
  let open = true;
  client.on('error', () => {
    open = false;
  });
  client.on('end', () => {
    open = false;
  });
  await client.connect();
  return {
    get open() {
      return open;
    },
    async write() {
      const { rows } = await client.query({
        name: 'w',
        text: "insert into lab (who) values ($1) returning current_setting('port') as port",
        values: [name],
      });
      return String(rows[0].port);
    },
    close() {
      client.end().catch(() => {});
    },
  };
}

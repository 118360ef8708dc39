import type { Pool, QueryResult } from 'pg';

const TRIES = 5;
const PAUSE_MS = 20;
/** Classes of SQLSTATE that a new connection may cure: connection trouble, and a server that shuts down. */
const AGAIN = /^(08|57P0[123])/;
const BROKEN = new Set(['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'ETIMEDOUT']);

/** A small application: reads that are tried again on another connection when one breaks under them. */
export async function readAgain(pool: Pool, sql: string): Promise<QueryResult> {
  for (let tried = 1; ; tried++) {
    try {
      return await pool.query(sql);
    } catch (error) {
      if (tried === TRIES || !isTransient(error as Error & { code?: string })) throw error;
      await new Promise(resolve => setTimeout(resolve, PAUSE_MS * tried));
    }
  }
}

function isTransient({ code, message }: Error & { code?: string }): boolean {
  return AGAIN.test(code ?? '') || BROKEN.has(code ?? '') || /terminated unexpectedly|timeout/i.test(message);
}

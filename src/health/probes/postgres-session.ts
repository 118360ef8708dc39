import type { Client } from 'pg';
import { formatAddress } from '../../address.js';
import { formatDuration } from '../../duration.js';
import { Lb4Error } from '../../errors.js';
import type { Finding } from '../finding.js';
import type { HealthSettings } from '../settings.js';
import { plain } from './bytes.js';
import { passwordOf, tlsOf } from './login.js';
import { PgStream } from './pg-stream.js';
import { offersTls } from './postgres-hello.js';
import { QUESTION, ReplicaClock, type Row, SHORT_QUESTION } from './postgres-role.js';
import { type Probe, ProbeError, probeErrorOf } from './probe.js';
import { converse, type TcpTarget } from './wire.js';

type Pg = Pick<typeof import('pg'), 'Client'>;

/** The optional package. Throws Lb4Error LB4_CONFIG when it is not installed. */
export async function loadPg(load: () => Promise<Pg> = () => import('pg')): Promise<Pg> {
  try {
    return await load();
  } catch (error) {
    throw new Lb4Error(
      'LB4_CONFIG',
      'health.kind = "postgres" with a user needs the optional package "pg": npm install pg',
      { cause: error },
    );
  }
}

/** SQLSTATEs of a server that cannot or will not tell all: privilege, feature, function, table. */
const TELLS_LESS = new Set(['42501', '0A000', '42883', '42P01']);

/** How long one check may take. */
interface Bounds {
  /** Monotonic ms. */
  readonly until: number;
  /** The whole of it, for messages. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** A login that is kept. */
interface Session {
  readonly client: Client;
  readonly stream: PgStream;
  question: string;
}

/**
 * Well when a session answers; tells role and lag. The session is kept from check to check, because a login costs the
 * server a process and, with log_connections, lines in its log. When it breaks, the next check logs in anew.
 */
export class PostgresSession implements Probe {
  readonly description: string;
  private readonly target: TcpTarget;
  private readonly settings: HealthSettings;
  private session: Session | undefined;
  private clock = new ReplicaClock();

  constructor(target: TcpTarget, settings: HealthSettings) {
    this.target = target;
    this.settings = settings;
    this.description = `postgres ${formatAddress(target.endpoint)} as ${settings.user}`;
  }

  async check(timeoutMs: number, signal?: AbortSignal): Promise<Finding> {
    const bounds: Bounds = { until: performance.now() + timeoutMs, timeoutMs, signal };
    this.session ??= await this.connect(bounds);
    const { session } = this;
    session.stream.ref();
    try {
      const row = await bounded(session.stream, bounds, ask(session));
      const finding = this.clock.read(row, performance.now());
      session.stream.unref();
      return finding;
    } catch (error) {
      this.drop(session);
      throw reasonOf(error);
    }
  }

  close(): void {
    const { session } = this;
    this.session = undefined;
    // Says good-bye; a connection that is broken by now has nobody to say it to.
    session?.client.end().catch(() => {});
  }

  private async connect(bounds: Bounds): Promise<Session> {
    const { settings, target } = this;
    const { Client } = await loadPg();
    const [password, tls] = await Promise.all([passwordOf(settings), tlsOf(settings, target.endpoint)]);
    const socket = await converse(target, bounds.timeoutMs, bounds.signal, async wire => {
      if (tls !== undefined) {
        if (!(await offersTls(wire))) throw new ProbeError('the server does not speak TLS');
        await wire.secure(tls);
      }
      return wire.release();
    });
    const stream = new PgStream(socket);
    // Everything is said, so that nothing comes from PGUSER, PGPASSWORD and their like in the environment.
    const client = new Client({
      user: settings.user,
      password: () => {
        if (password !== undefined) return password;
        throw new ProbeError('the server wants a password, and none is configured');
      },
      database: settings.database,
      application_name: 'lb4',
      host: 'lb4',
      port: 1,
      ssl: false,
      stream: () => stream,
    });
    const session: Session = { client, stream, question: QUESTION };
    client.on('error', () => this.drop(session));
    client.on('end', () => this.drop(session));
    try {
      await bounded(stream, bounds, client.connect());
    } catch (error) {
      stream.destroy();
      throw reasonOf(error);
    }
    return session;
  }

  private drop(session: Session): void {
    session.stream.destroy();
    if (this.session !== session) return;
    this.session = undefined;
    // The server that answers next may be another one, or another history.
    this.clock = new ReplicaClock();
  }
}

async function ask(session: Session): Promise<Row> {
  session.stream.allowAnswer();
  try {
    return await firstRow(session);
  } catch (error) {
    if (!TELLS_LESS.has(sqlState(error)) || session.question === SHORT_QUESTION) throw error;
    session.question = SHORT_QUESTION;
    return firstRow(session);
  }
}

async function firstRow({ client, question }: Session): Promise<Row> {
  const { rows } = await client.query<Row>(question);
  const [row] = rows;
  if (row === undefined) throw new ProbeError('expected a row from PostgreSQL, got none');
  return row;
}

/** What `work` on the stream comes to. When the time is over or the check is stopped the stream ends, and `work` with it. */
async function bounded<T>(
  stream: PgStream,
  { until, timeoutMs, signal }: Bounds,
  work: Promise<T>,
): Promise<T> {
  const expire = (): void => {
    stream.destroy(new ProbeError(`timeout after ${formatDuration(timeoutMs)}: no answer from PostgreSQL`));
  };
  const stop = (): void => {
    stream.destroy(new ProbeError('stopped'));
  };
  const timer = setTimeout(expire, Math.max(0, until - performance.now()));
  timer.unref();
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted) stop();
  try {
    return await work;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
  }
}

function sqlState(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return /^[0-9A-Z]{5}$/.test(code) ? code : '';
}

/** The server's own words where it said some. */
function reasonOf(error: unknown): ProbeError {
  if (error instanceof ProbeError) return error;
  const state = sqlState(error);
  if (state === '' || !(error instanceof Error)) return probeErrorOf(error);
  return new ProbeError(`${plain(error.message)} (SQLSTATE ${state})`, { cause: error, said: true });
}

import { chownSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../fixtures/backends.js';
import type { Owner } from '../fixtures/owner.js';
import { folder } from '../fixtures/program.js';
import { until } from '../fixtures/until.js';
import { execute, type Output } from './programs.js';
import { Server } from './servers.js';

/** PostgreSQL refuses to run as root. */
export const USER = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};

/** What a test of this kind needs. */
export const PROGRAMS = ['initdb', 'postgres', 'psql', 'pg_basebackup', 'pg_ctl'] as const;

/** The one password there is, of the user postgres. */
export const PASSWORD = 'correct horse';

export interface PostgresOptions {
  /** How clients are let in. Default: trust. */
  readonly auth?: 'trust' | 'scram-sha-256';
  /** Further settings, `name=value`. */
  readonly settings?: readonly string[];
}

/** A PostgreSQL server on a port of its own, with its data in a folder of its own. */
export class Postgres extends Server {
  readonly port: number;
  readonly dir: string;

  private constructor(t: Owner, dir: string, port: number, settings: readonly string[]) {
    const all = [
      'listen_addresses=127.0.0.1',
      'unix_socket_directories=',
      'fsync=off',
      'logging_collector=off',
      'shared_buffers=16MB',
      ...settings,
    ];
    const data = join(dir, 'data');
    const args = ['-D', data, '-p', String(port), ...all.flatMap(one => ['-c', one])];
    super(t, 'postgres', args, { ...USER, cwd: dir });
    this.dir = dir;
    this.port = port;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get data(): string {
    return join(this.dir, 'data');
  }

  /** A new database cluster, running. */
  static async primary(t: Owner, { auth = 'trust', settings = [] }: PostgresOptions = {}): Promise<Postgres> {
    const dir = ownFolder(t);
    const pwfile = join(dir, 'password');
    // Through a shell of that user: the file must be the server's to read.
    await done(execute('sh', ['-c', 'printf %s "$0" > "$1"', PASSWORD, pwfile], { ...USER, cwd: dir }));
    const args = ['-D', join(dir, 'data'), '-A', auth, '-U', 'postgres', '--pwfile', pwfile, '--no-sync'];
    await done(execute('initdb', args, { ...USER, cwd: dir }));
    const server = new Postgres(t, dir, await freePort(), settings);
    await server.up();
    return server;
  }

  /** A streaming replica of this server, running. */
  async replica(t: Owner, settings: readonly string[] = []): Promise<Postgres> {
    const dir = ownFolder(t);
    const from = `host=127.0.0.1 port=${this.port} user=postgres password='${PASSWORD}'`;
    const args = ['-d', from, '-D', join(dir, 'data'), '-R', '-X', 'stream', '-c', 'fast', '--no-sync'];
    await done(execute('pg_basebackup', args, { ...USER, cwd: dir }));
    const server = new Postgres(t, dir, await freePort(), settings);
    await server.up();
    await until(
      'streaming',
      async () => (await server.sql('select count(*) from pg_stat_wal_receiver')) === '1',
    );
    return server;
  }

  /** Resolves when it answers. */
  async up(): Promise<void> {
    this.start();
    await this.ready(async () => (await this.sql('select 1')) === '1');
  }

  /** A replica becomes a primary. Resolves when it is one. */
  async promote(): Promise<void> {
    await done(execute('pg_ctl', ['promote', '-w', '-D', this.data], { ...USER, cwd: this.dir }));
  }

  /** A statement's answer; empty when it fails. */
  sql(statement: string): Promise<string> {
    return psql(this.port, statement);
  }
}

/** Words for psql and pgbench. */
export function connection(port: number): string[] {
  return ['-h', '127.0.0.1', '-p', String(port), '-U', 'postgres', 'postgres'];
}

/** A statement's answer through whoever listens at the port; empty when it fails. */
export async function psql(port: number, statement: string): Promise<string> {
  const env = { PGPASSWORD: PASSWORD, PGCONNECT_TIMEOUT: '10' };
  return (await execute('psql', ['-qAtX', '-c', statement, ...connection(port)], { env })).stdout.trim();
}

function ownFolder(t: Owner): string {
  const dir = folder(t);
  if (USER.uid !== undefined) chownSync(dir, USER.uid, USER.gid);
  return dir;
}

async function done(work: Promise<Output>): Promise<void> {
  const { code, stdout, stderr } = await work;
  if (code !== 0) throw new Error(`${stdout}${stderr}`);
}

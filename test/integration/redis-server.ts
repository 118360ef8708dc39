import type { Owner } from '../fixtures/owner.js';
import { folder } from '../fixtures/program.js';
import { execute } from './programs.js';
import { Server } from './servers.js';

/** A Redis server on loopback, in a folder of its own; it keeps nothing on disk but what a replica was sent. */
export class Redis extends Server {
  readonly port: number;
  readonly name: string;
  private readonly login: readonly string[];

  /** `args` are further ones of redis-server, `login` those of redis-cli that get in. */
  constructor(
    t: Owner,
    name: string,
    port: number,
    args: readonly string[] = [],
    login: readonly string[] = [],
  ) {
    const own = ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    super(
      t,
      'redis-server',
      [...(args.includes('--tls-port') ? [] : ['--port', String(port)]), ...own, ...args],
      { cwd: folder(t) },
    );
    this.name = name;
    this.port = port;
    this.login = login;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Resolves when it answers and knows its name; a replica has its primary's. */
  async up(): Promise<void> {
    this.start();
    await this.ready(async () => {
      const answer = await this.cli('set', 'name', this.name);
      return answer === 'OK' || answer.startsWith('READONLY');
    });
  }

  cli(...words: string[]): Promise<string> {
    return cli(this.port, ...this.login, ...words);
  }
}

export async function cli(port: number, ...words: string[]): Promise<string> {
  const args = ['-h', '127.0.0.1', '-p', String(port), '--no-auth-warning', ...words];
  return (await execute('redis-cli', args)).stdout.trim();
}

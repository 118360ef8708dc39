import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Daemon, daemon, freePort, run, untilAccepting } from './processes.js';
import { isInstalled } from './programs.js';

/** The services that every candidate offers, each in front of its own kind of backend. `many` is `redis` with 1,000 backends. */
export const SERVICES = ['redis', 'many', 'bulk', 'udp'] as const;
export type ServiceName = (typeof SERVICES)[number];

const REDIS_BACKENDS = 3;
const MANY_BACKENDS = 1_000;

export interface Place {
  readonly host: string;
  readonly port: number;
}

/** Where a candidate finds its backends, and where it is to listen. */
export interface Site {
  /** For its configuration and whatever else it writes. */
  readonly dir: string;
  readonly cores: string | undefined;
  readonly listen: Readonly<Record<ServiceName, Place>>;
  readonly backends: Readonly<Record<ServiceName, readonly Place[]>>;
}

/** The backends, where the load runs, and the directory of the run. */
export class Backends {
  private readonly dir: string;
  private readonly cores: string | undefined;
  private readonly ports: { readonly redis: number; readonly bulk: number; readonly udp: number };
  private readonly daemons: Daemon[] = [];

  private constructor(dir: string, cores: string | undefined, ports: Backends['ports']) {
    this.dir = dir;
    this.cores = cores;
    this.ports = ports;
  }

  static async start(cores: string | undefined): Promise<Backends> {
    const dir = await mkdtemp(join(tmpdir(), 'lb4-bench-'));
    process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
    const ports = { redis: await freePort(), bulk: await freePort(), udp: await freePort() };
    const backends = new Backends(dir, cores, ports);
    await backends.startAll();
    return backends;
  }

  /**
   * A place for candidate number `index` on `cores`: ports of its own, and addresses of redis-server that it shares with
   * nobody. New connections leave TIME_WAIT behind and a full range of ports makes connect() slow; so the ports that one
   * candidate has used up are none of the next one's business.
   */
  async site(index: number, cores: string | undefined): Promise<Site> {
    const listen = async () => ({ host: '127.0.0.1', port: await freePort() });
    const redis = (count: number, net: number) =>
      Array.from({ length: count }, (_, i) => ({
        host: `127.${net}.${index * 8 + Math.floor(i / 250)}.${(i % 250) + 1}`,
        port: this.ports.redis,
      }));
    return {
      dir: this.dir,
      cores,
      listen: { redis: await listen(), many: await listen(), bulk: await listen(), udp: await listen() },
      backends: {
        redis: redis(REDIS_BACKENDS, 1),
        many: redis(MANY_BACKENDS, 2),
        bulk: [{ host: '127.0.0.1', port: this.ports.bulk }],
        udp: [{ host: '127.0.0.1', port: this.ports.udp }],
      },
    };
  }

  get pids(): number[] {
    return this.daemons.map(({ pid }) => pid);
  }

  async stop(): Promise<void> {
    for (const { stop } of this.daemons) await stop();
  }

  private async startAll(): Promise<void> {
    const { redis, bulk, udp } = this.ports;
    this.start(process.execPath, [fileURLToPath(new URL('udp-echo.js', import.meta.url)), String(udp)]);
    if (isInstalled('iperf3')) this.start('iperf3', ['-s', '-B', '127.0.0.1', '-p', String(bulk)]);
    if (!isInstalled('redis-server') || !isInstalled('redis-benchmark')) return;
    // All of 127.0.0.0/8; in protected mode it serves nobody but this machine.
    const server = this.start('redis-server', [
      ...['--port', String(redis), '--bind', '0.0.0.0', '--protected-mode', 'yes', '--tcp-backlog', '4096'],
      ...['--save', '', '--appendonly', 'no', '--dir', this.dir, '--maxclients', '9000'],
    ]);
    await untilAccepting(server, '127.0.0.1', redis);
    await run(this.cores, 'redis-benchmark', ['-p', String(redis), '-n', '100', '-t', 'set', '--csv']);
  }

  private start(command: string, args: readonly string[]): Daemon {
    const started = daemon(this.cores, command, args);
    this.daemons.push(started);
    return started;
  }
}

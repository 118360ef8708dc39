import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { daemon, freePort, run, untilAccepting } from './processes.js';

/** The services that every candidate offers, each in front of its own kind of backend. */
export const SERVICES = ['redis', 'bulk', 'udp'] as const;
export type ServiceName = (typeof SERVICES)[number];

export interface Place {
  readonly host: string;
  readonly port: number;
}

/** Where a candidate finds its backends, and where it is to listen. */
export interface Site {
  /** For its configuration and whatever else it writes. */
  readonly dir: string;
  readonly listen: Readonly<Record<ServiceName, Place>>;
  readonly backends: Readonly<Record<ServiceName, readonly Place[]>>;
}

/** redis-server binds at most 16 addresses. */
const REDIS_ADDRESSES = 16;

/** The backends, on the load's core, and the directory of the run. */
export class Backends {
  readonly dir: string;
  private readonly ports: Record<ServiceName, number>;
  private readonly candidates: number;
  private readonly stops: (() => Promise<void>)[] = [];

  private constructor(dir: string, ports: Record<ServiceName, number>, candidates: number) {
    this.dir = dir;
    this.ports = ports;
    this.candidates = candidates;
  }

  static async start(candidates: number): Promise<Backends> {
    const dir = await mkdtemp(join(tmpdir(), 'lb4-bench-'));
    process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
    const ports = { redis: await freePort(), bulk: await freePort(), udp: await freePort() };
    const backends = new Backends(dir, ports, candidates);
    await backends.startAll();
    return backends;
  }

  /** A place for candidate number `index`: ports of its own, backends that it shares with nobody where that matters. */
  async site(index: number): Promise<Site> {
    const listen = async () => ({ host: '127.0.0.1', port: await freePort() });
    return {
      dir: this.dir,
      listen: { redis: await listen(), bulk: await listen(), udp: await listen() },
      backends: {
        redis: this.redisAddresses(index).map(host => ({ host, port: this.ports.redis })),
        bulk: [{ host: '127.0.0.1', port: this.ports.bulk }],
        udp: [{ host: '127.0.0.1', port: this.ports.udp }],
      },
    };
  }

  async stop(): Promise<void> {
    for (const stop of this.stops.reverse()) await stop();
  }

  /**
   * New connections leave TIME_WAIT behind, and a full range of ports makes connect() slow. So every candidate has
   * addresses of its own, up to three: the ports that one has used up are none of the next one's business.
   */
  private redisAddresses(index: number): string[] {
    const each = Math.max(1, Math.min(3, Math.floor((REDIS_ADDRESSES - 1) / this.candidates)));
    return Array.from({ length: each }, (_, i) => `127.1.${index}.${i + 1}`);
  }

  private async startAll(): Promise<void> {
    const { ports } = this;
    const addresses = Array.from({ length: this.candidates }, (_, i) => this.redisAddresses(i)).flat();
    this.start('redis-server', [
      ...['--port', String(ports.redis), '--bind', '127.0.0.1', ...addresses],
      ...['--save', '', '--appendonly', 'no', '--dir', this.dir, '--maxclients', '9000'],
    ]);
    this.start('iperf3', ['-s', '-B', '127.0.0.1', '-p', String(ports.bulk)]);
    this.start(process.execPath, [fileURLToPath(new URL('udp-echo.js', import.meta.url)), String(ports.udp)]);
    await untilAccepting('127.0.0.1', ports.redis);
    const set = ['-h', '127.0.0.1', '-p', String(ports.redis), '-n', '100', '-t', 'set', '--csv'];
    await run('redis-benchmark', set);
  }

  private start(command: string, args: readonly string[]): void {
    const { stop } = daemon('load', command, args);
    this.stops.push(stop);
  }
}

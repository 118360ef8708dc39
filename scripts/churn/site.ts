import { join } from 'node:path';
import type { ConfigInput } from '../../src/config/schema.js';
import { freePort } from '../bench/processes.js';
import { Echo } from './datagrams.js';
import type { Random } from './random.js';
import { Servers } from './talk.js';

type Service = ConfigInput['services'][string];

const STRATEGIES = ['round-robin', 'least-connections', 'maglev', 'two-choices', 'ip-hash'] as const;

/** Backends of every kind, and configurations of lb4 in front of them. */
export class Site {
  readonly servers = new Servers();
  readonly echo = new Echo();
  private readonly dir: string;
  private tcp: string[] = [];
  private unix = '';
  private headed = '';
  private udp: { readonly v4: string[]; readonly v6: string } = { v4: [], v6: '' };
  private innerPort = 0;
  private refused = 0;

  constructor(dir: string) {
    this.dir = dir;
  }

  async start(): Promise<void> {
    const { servers, echo } = this;
    const hosts = ['127.0.0.1', '127.0.0.1', '::1'];
    this.tcp = await Promise.all(hosts.map(host => servers.listen({ host })));
    this.unix = await servers.listen({ path: join(this.dir, 'b') });
    this.headed = await servers.listen({ host: '127.0.0.1' }, true);
    const v4 = await Promise.all([0, 1].map(() => echo.listen('127.0.0.1')));
    this.udp = { v4, v6: await echo.listen('::1') };
    this.innerPort = await freePort();
    this.refused = await freePort();
  }

  stop(): void {
    this.servers.stop();
    this.echo.stop();
  }

  get socket(): string {
    return join(this.dir, 's');
  }

  /** The configuration to begin with; with `random` one that differs in what a reload may change. */
  config(engine: 'net' | 'epoll', threads: number, random?: Random): ConfigInput {
    const quiet = { health: { kind: 'none' as const, passive_failures: 0 } };
    const pick = <T>(first: T, others: readonly T[]): T =>
      random === undefined || random.chance(40) ? first : random.one(others);
    const some = (list: string[]): string[] =>
      random === undefined ? list : list.filter((_, i) => i === 0 || random.chance(70));
    const strategy = pick<(typeof STRATEGIES)[number]>('least-connections', STRATEGIES);
    const refused = `127.0.0.1:${this.refused}`;
    const services: Record<string, Service> = {
      v4: { listen: '127.0.0.1:0', backends: [...some(this.tcp), refused], strategy, ...quiet },
      v6: { listen: '[::1]:0', backends: [this.tcp[0]!, ...some([this.unix])], ...quiet },
      unix: { listen: `unix:${this.socket}`, backends: some([this.unix, this.tcp[2]!]), ...quiet },
      // Full most of the time: some wait, some are turned away.
      tight: {
        listen: '127.0.0.1:0',
        backends: this.tcp.map(address => ({ address, max_connections: pick(4, [2, 8]) })),
        max_connections: 25,
        max_connections_per_client: 20,
        queue: { size: 8 },
        timeouts: { queue: '200ms' },
        ...quiet,
      },
      // The address of the client goes through both: v1 to the inner one, v2 to the backend.
      outer: {
        listen: '127.0.0.1:0',
        backends: [`127.0.0.1:${this.innerPort}`],
        proxy_protocol: { send: pick('v1', ['v2']) },
        ...quiet,
      },
      inner: {
        listen: `127.0.0.1:${this.innerPort}`,
        backends: [this.headed],
        proxy_protocol: { accept: 'any', accept_from: ['127.0.0.0/8'], send: pick('v2', ['v1']) },
        ...quiet,
      },
      udp4: {
        listen: '127.0.0.1:0',
        protocol: 'udp',
        backends: some(this.udp.v4),
        timeouts: { idle: '700ms' },
        ...quiet,
      },
      udp6: {
        listen: '[::1]:0',
        protocol: 'udp',
        backends: [this.udp.v6],
        timeouts: { idle: '700ms' },
        udp: { max_flows: pick(64, [16]) },
        ...quiet,
      },
    };
    // Comes and goes, with addresses of both kinds.
    if (random?.chance(50)) {
      services.side = {
        listen: ['127.0.0.1:0', `unix:${join(this.dir, 'side')}`],
        backends: [this.tcp[0]!],
        ...quiet,
      };
    }
    return { runtime: { engine, threads, drain_timeout: '60s' }, services };
  }
}

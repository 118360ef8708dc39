import type { ConfigInput } from '../../src/config/schema.js';

export type EngineName = 'net' | 'epoll';

/** Ports of one run; the same for every flood. */
export interface Ports {
  /** Where the well-behaved ask. */
  readonly good: number;
  /** Where the flood goes, if it does not go to the same place. */
  readonly flooded: number;
  readonly admin: number;
  /** The backend of the well-behaved: it echoes, TCP and UDP. */
  readonly echo: number;
  /** That of the flood, where it has one of its own. */
  readonly sink: number;
}

/** What a flood has done. */
export type Tally = Readonly<Record<string, number>>;

/** One kind of flood: what lb4 is told, and what is done to it. */
export interface Flood {
  readonly title: string;
  readonly protocol: 'tcp' | 'udp';
  /** Whether the well-behaved begin with a PROXY header. */
  readonly proxied?: boolean;
  config(ports: Ports): Pick<ConfigInput, 'services' | 'runtime'>;
  /** The file of its thread, without ending. */
  readonly thread: 'connections' | 'headers' | 'spoofed' | 'requests';
  /** How fast, where that is bounded. A thread of the net engine can read no more than some 50,000 datagrams a second. */
  readonly perSecond?: Readonly<Record<EngineName, number>>;
  /** How much of it: connections, sources, requests. */
  readonly amount: number;
  /** The same for CI; 0 = CI has other tests of it. */
  readonly small: number;
  /** New connections of the well-behaved wait like all others. */
  readonly everybodyWaits?: boolean;
  /** What lb4's memory may grow by while it lasts. */
  readonly maxGrowthMib: number;
}

/** What the thread of a flood is given. */
export interface FloodTask {
  readonly ports: Ports;
  readonly amount: number;
  /** As the flood has it, for this engine. */
  readonly perSecond: number;
  /** The short form. */
  readonly small: boolean;
  /** Whoever is not in waits in the kernel, and is not turned away. */
  readonly everybodyWaits: boolean;
}

const health = { kind: 'none' } as const;

function service(port: number, echo: number) {
  return { listen: `127.0.0.1:${port}`, backends: [`127.0.0.1:${echo}`], health };
}

export const FLOODS: Readonly<Record<string, Flood>> = {
  connections: {
    title: 'connections in bursts of 2,000 on a service with max_connections = 500',
    protocol: 'tcp',
    config: ({ good, flooded, echo, sink }) => ({
      services: { good: service(good, echo), flooded: { ...service(flooded, sink), max_connections: 500 } },
    }),
    thread: 'connections',
    amount: 100_000,
    small: 4_000,
    maxGrowthMib: 64,
  },
  full: {
    title:
      'the same beyond max_connections of the process (1,000): whoever is in goes on, the others wait in the kernel',
    protocol: 'tcp',
    config: ({ good, flooded, echo, sink }) => ({
      services: { good: service(good, echo), flooded: service(flooded, sink) },
      runtime: { max_connections: 1_000 },
    }),
    everybodyWaits: true,
    thread: 'connections',
    amount: 40_000,
    small: 0,
    maxGrowthMib: 64,
  },
  rate: {
    title: 'the same on a service with connection_rate = "100/s"',
    protocol: 'tcp',
    config: ({ good, flooded, echo, sink }) => ({
      services: {
        good: service(good, echo),
        flooded: { ...service(flooded, sink), connection_rate: '100/s', connection_rate_per_client: '50/s' },
      },
    }),
    thread: 'connections',
    amount: 40_000,
    small: 0,
    maxGrowthMib: 64,
  },
  headers: {
    title: 'PROXY headers that trickle in, a byte every half second (timeouts.header = "2s")',
    protocol: 'tcp',
    proxied: true,
    config: ({ good, echo }) => ({
      services: {
        good: {
          ...service(good, echo),
          proxy_protocol: { accept: 'any', accept_from: ['127.0.0.0/8'] },
          timeouts: { header: '2s' },
        },
      },
    }),
    thread: 'headers',
    amount: 5_000,
    small: 500,
    maxGrowthMib: 64,
  },
  spoofed: {
    title: 'datagrams from spoofed sources, each another one (max_flows = 8000)',
    protocol: 'udp',
    config: ({ good, echo }) => ({
      services: { good: { ...service(good, echo), protocol: 'udp', udp: { max_flows: 8_000 } } },
    }),
    thread: 'spoofed',
    perSecond: { epoll: 50_000, net: 15_000 },
    amount: 1_000_000,
    small: 40_000,
    maxGrowthMib: 160,
  },
  admin: {
    title:
      'the admin interface: slow requests, large bodies, readers of events, /status and /metrics all the time',
    protocol: 'tcp',
    config: ({ good, echo }) => ({ services: { good: service(good, echo) } }),
    thread: 'requests',
    amount: 20_000,
    small: 240,
    maxGrowthMib: 96,
  },
};

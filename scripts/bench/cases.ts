import { fileURLToPath } from 'node:url';
import { parseIperf, parseRedis, parseUdp, type Work } from './parse.js';
import { run } from './processes.js';
import type { Place, ServiceName } from './site.js';

export type Group = 'tcp' | 'udp' | 'growth' | 'threads';

/** Where and how much: `cores` for the load generator, `share` of the full amount of work. */
export interface Task {
  readonly at: Place;
  readonly cores: string | undefined;
  readonly share: number;
}

export interface Case {
  readonly name: string;
  readonly group: Group;
  readonly service: ServiceName;
  /** What every candidate runs with. */
  readonly threads: 1 | 2;
  /** One operation, and the unit in which its CPU time is shown. */
  readonly operation: string;
  readonly unit: 'µs' | 'ms';
  /** Candidates are compared with this one. */
  readonly reference: string;
  /** The case of which this one is a larger (or smaller) version. */
  readonly growthOf?: string;
  /** Work before the first run, as a share of a run's: as much as it takes until a runtime has compiled what runs often. */
  readonly warmUp?: number;
  /** What has to be installed to make the load and to answer it. */
  readonly programs: readonly string[];
  run(task: Task): Promise<Work>;
  /** Work that is done in `run` as well and is not meant: its CPU time and its operations are taken off. */
  overhead?(task: Task): Promise<Work>;
}

/**
 * A connection runs through far more code than a request does: V8 compiles some of it anew until about 36,000 connections
 * were made (`--trace-opt`), on the balancer's core.
 */
const NEW_WARM_UP = 4;

const TCP: readonly Case[] = [
  redis('kept', 'GET on a kept connection, 50 clients', 150_000, {}),
  redis('pipelined', 'GET, 32 in one go on a kept connection, 50 clients', 1_500_000, {
    flags: ['-P', '32'],
  }),
  // Few enough that the ports of a loopback address last, whatever their TIME_WAIT.
  {
    ...redis('new', 'connection with one GET, 50 clients, 3 backends', 12_000, { flags: ['-k', '0'] }),
    warmUp: NEW_WARM_UP,
  },
  bulk('bulk-in', 'GB from the client', []),
  bulk('bulk-out', 'GB to the client', ['-R']),
];

const UDP: readonly Case[] = [
  udp('udp-1', 'round trip of 64 bytes, 50 flows × 1', 1, 60_000),
  udp('udp-16', 'round trip of 64 bytes, 50 flows × 16', 16, 80_000),
];

const GROWTH: readonly Case[] = [
  growth(1, 40_000),
  growth(10, 150_000),
  growth(100, 150_000),
  growth(1_000, 150_000),
  growth(4_000, 200_000),
  {
    ...redis('new-1000', 'connection with one GET, 50 clients, 1,000 backends', 12_000, {
      flags: ['-k', '0'],
      service: 'many',
    }),
    group: 'growth',
    growthOf: 'new',
    warmUp: NEW_WARM_UP,
  },
];

/** One stream would keep one thread busy. */
const FOUR_STREAMS: readonly Case[] = [
  bulk('bulk-in', 'GB from the client, 4 streams', ['-P', '4']),
  bulk('bulk-out', 'GB to the client, 4 streams', ['-P', '4', '-R']),
];

const TWO_THREADS: readonly Case[] = [
  ...TCP.filter(({ service }) => service === 'redis'),
  ...FOUR_STREAMS,
  ...UDP,
].map(one => ({ ...one, name: `${one.name}-2t`, group: 'threads', threads: 2 }));

export const CASES: readonly Case[] = [...TCP, ...UDP, ...GROWTH, ...TWO_THREADS];

function redis(
  name: string,
  operation: string,
  count: number,
  { clients = 50, flags = [] as readonly string[], service = 'redis' as ServiceName },
): Case {
  const get = async ({ at, cores }: Task, operations: number) => {
    const args = ['-h', at.host, '-p', String(at.port), '-c', String(clients), '-n', String(operations)];
    return parseRedis(
      await run(cores, 'redis-benchmark', [...args, '-t', 'get', '--csv', ...flags]),
      operations,
    );
  };
  return {
    name,
    group: 'tcp',
    service,
    threads: 1,
    operation,
    unit: 'µs',
    reference: 'haproxy',
    programs: ['redis-server', 'redis-benchmark'],
    run: task => get(task, Math.ceil(count * task.share)),
    // Thousands of connections cost something to make and to end; one request each shows how much.
    overhead: clients > 50 ? task => get(task, clients) : undefined,
  };
}

function growth(clients: number, count: number): Case {
  const many = clients.toLocaleString('en');
  const operation = `GET on a kept connection, ${many} client${clients === 1 ? '' : 's'}`;
  return { ...redis(`kept-${clients}`, operation, count, { clients }), group: 'growth', growthOf: 'kept' };
}

function bulk(name: string, operation: string, flags: readonly string[]): Case {
  return {
    name,
    group: 'tcp',
    service: 'bulk',
    threads: 1,
    operation,
    unit: 'ms',
    reference: 'haproxy',
    programs: ['iperf3'],
    async run({ at, cores, share }) {
      const amount = ['-n', String(Math.ceil(4e9 * share))];
      return parseIperf(
        await run(cores, 'iperf3', ['-c', at.host, '-p', String(at.port), ...amount, '-J', ...flags]),
      );
    },
  };
}

function udp(name: string, operation: string, window: number, count: number): Case {
  const program = fileURLToPath(new URL('udp-load.js', import.meta.url));
  return {
    name,
    group: 'udp',
    service: 'udp',
    threads: 1,
    operation,
    unit: 'µs',
    reference: 'nginx',
    programs: [],
    warmUp: 1,
    async run({ at, cores, share }) {
      const numbers = [at.port, 50, window, Math.ceil(count * share)].map(String);
      return parseUdp(await run(cores, process.execPath, [program, ...numbers]));
    },
  };
}

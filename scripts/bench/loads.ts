import { fileURLToPath } from 'node:url';
import { run } from './processes.js';
import type { Place, ServiceName } from './site.js';

/** What one run of a load did. Latencies in ms; undefined where the tool tells none. */
export interface Work {
  readonly operations: number;
  readonly seconds: number;
  readonly p50?: number;
  readonly p99?: number;
  readonly lost?: number;
}

export interface Load {
  readonly name: string;
  readonly service: ServiceName;
  /** One operation, and the unit in which its CPU time is shown. */
  readonly operation: string;
  readonly unit: 'µs' | 'ms';
  /** Candidates are compared with this one. */
  readonly reference: string;
  /** `share` of the full amount of work. */
  run(at: Place, share: number): Promise<Work>;
}

export const LOADS: readonly Load[] = [
  redis('kept', 'GET on a kept connection, 50 clients', 150_000),
  redis('pipelined', 'GET, 32 in one go on a kept connection, 50 clients', 1_500_000, '-P', '32'),
  // Few enough that the ports of a loopback address last, whatever their TIME_WAIT.
  redis('new', 'connection with one GET, 50 clients', 12_000, '-k', '0'),
  bulk('bulk-in', 'GB from the client'),
  bulk('bulk-out', 'GB to the client', '-R'),
  udp('udp-1', 'round trip of 64 bytes, 50 flows × 1', 1, 60_000),
  udp('udp-16', 'round trip of 64 bytes, 50 flows × 16', 16, 80_000),
];

function redis(name: string, operation: string, count: number, ...flags: string[]): Load {
  return {
    name,
    service: 'redis',
    operation,
    unit: 'µs',
    reference: 'haproxy',
    async run({ host, port }, share) {
      const operations = Math.ceil(count * share);
      const start = performance.now();
      const csv = await run('redis-benchmark', [
        ...['-h', host, '-p', String(port), '-c', '50', '-n', String(operations), '-t', 'get', '--csv'],
        ...flags,
      ]);
      const seconds = (performance.now() - start) / 1000;
      const [names, values] = csv
        .trim()
        .split('\n')
        .slice(-2)
        .map(line => line.replaceAll('"', '').split(','));
      const column = (wanted: string) => Number(values![names!.indexOf(wanted)]);
      return { operations, seconds, p50: column('p50_latency_ms'), p99: column('p99_latency_ms') };
    },
  };
}

function bulk(name: string, operation: string, ...flags: string[]): Load {
  return {
    name,
    service: 'bulk',
    operation,
    unit: 'ms',
    reference: 'haproxy',
    async run({ host, port }, share) {
      const bytes = Math.ceil(4e9 * share);
      const args = ['-c', host, '-p', String(port), '-n', String(bytes), '-J', ...flags];
      const { end } = JSON.parse(await run('iperf3', args)) as {
        end: { sum_received: { bytes: number; seconds: number } };
      };
      return { operations: end.sum_received.bytes / 1e9, seconds: end.sum_received.seconds };
    },
  };
}

function udp(name: string, operation: string, window: number, count: number): Load {
  return {
    name,
    service: 'udp',
    operation,
    unit: 'µs',
    reference: 'nginx',
    async run({ host, port }, share) {
      const program = fileURLToPath(new URL('udp-load.js', import.meta.url));
      const args = [program, host, String(port), '50', String(window), String(Math.ceil(count * share))];
      const result = JSON.parse(await run(process.execPath, args)) as {
        trips: number;
        seconds: number;
        lost: number;
        wrong: number;
        p50: number;
        p99: number;
      };
      if (result.wrong > 0) throw new Error(`${result.wrong} datagrams came back changed`);
      return { ...result, operations: result.trips };
    },
  };
}

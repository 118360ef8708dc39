/** What the load generators print, as numbers. Pure. */

/** What one run of a load did. Latencies in ms; undefined where the tool tells none. */
export interface Work {
  readonly operations: number;
  readonly perSecond: number;
  readonly p50?: number;
  readonly p99?: number;
  readonly lost?: number;
}

/** `redis-benchmark --csv`: a line of names and a line of values at the end. */
export function parseRedis(output: string, operations: number): Work {
  const [names, values] = output
    .trim()
    .split('\n')
    .slice(-2)
    .map(line => line.replaceAll('"', '').split(','));
  const column = (wanted: string) =>
    number(values?.[names?.indexOf(wanted) ?? -1], `redis-benchmark: ${wanted}`);
  return {
    operations,
    perSecond: column('rps'),
    p50: column('p50_latency_ms'),
    p99: column('p99_latency_ms'),
  };
}

/** `iperf3 -J`: an operation is a GB (10⁹ bytes) received. */
export function parseIperf(output: string): Work {
  const { end } = JSON.parse(output) as { end?: { sum_received?: { bytes?: number; seconds?: number } } };
  const gigabytes = number(end?.sum_received?.bytes, 'iperf3: bytes') / 1e9;
  return {
    operations: gigabytes,
    perSecond: gigabytes / number(end?.sum_received?.seconds, 'iperf3: seconds'),
  };
}

/** udp-load.ts. A datagram that came back changed is an error. */
export function parseUdp(output: string): Work {
  const found = JSON.parse(output) as Record<string, number | undefined>;
  const column = (wanted: string) => number(found[wanted], `udp-load: ${wanted}`);
  if (column('wrong') > 0) throw new Error(`udp-load: ${found.wrong} datagrams came back changed`);
  return {
    operations: column('trips'),
    perSecond: column('trips') / column('seconds'),
    p50: column('p50'),
    p99: column('p99'),
    lost: column('lost'),
  };
}

function number(value: string | number | undefined, what: string): number {
  const found = Number(value);
  if (value === undefined || value === '' || !Number.isFinite(found)) {
    throw new Error(`${what}: expected a number, got ${value}`);
  }
  return found;
}

import { availableParallelism } from 'node:os';

/** Cores as taskset takes them ("0", "2-3"); undefined: wherever the system puts it. */
export interface Layout {
  readonly balancer: string | undefined;
  /** Load generators and backends. */
  readonly load: string | undefined;
  readonly text: string;
}

/**
 * Who runs where. A balancer with one thread has core 0 to itself and everybody else shares core 1: otherwise work moves
 * between processes and CPU time an operation means little. Two threads need four cores for that; with fewer nothing is
 * pinned, and only throughput of the whole machine can be compared.
 */
export function layoutFor(
  threads: 1 | 2,
  cores = availableParallelism(),
  platform: string = process.platform,
): Layout {
  if (platform === 'linux' && threads === 1 && cores >= 2) {
    return { balancer: '0', load: '1', text: 'balancer on core 0, load and backends on core 1' };
  }
  if (platform === 'linux' && threads === 2 && cores >= 4) {
    return { balancer: '0-1', load: '2-3', text: 'balancer on cores 0 and 1, load and backends on 2 and 3' };
  }
  return { balancer: undefined, load: undefined, text: 'nothing pinned' };
}

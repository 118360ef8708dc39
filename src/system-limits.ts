import { readFileSync } from 'node:fs';

/** Descriptors that a process keeps for itself: Node's own, log, admin interface, configuration file. */
const OWN = 48;

/** How many descriptors this process may open (the soft limit); Infinity where there is no limit to be found. */
export function fileDescriptorLimit(): number {
  try {
    const line = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
    if (line !== null) return line[1] === 'unlimited' ? Number.POSITIVE_INFINITY : Number(line[1]);
  } catch {
    // Not Linux: the report knows it as well, only slower.
  }
  const { userLimits } = process.report.getReport() as { userLimits?: Record<string, { soft?: unknown }> };
  const soft = userLimits?.open_files?.soft;
  return typeof soft === 'number' ? soft : Number.POSITIVE_INFINITY;
}

/** How a process divides its descriptors. */
export interface Budget {
  /** Connections, each with a client's and a backend's descriptor; 0 = no limit. */
  readonly maxConnections: number;
  /** Connections that may wait for room, each with one descriptor. */
  readonly maxParked: number;
}

/**
 * Divide `limit` descriptors: `fixed` are taken by listeners and probes, a tenth of the rest is for those who wait and
 * what remains is for connections. `wanted` > 0 overrides the derived number of connections.
 */
export function divideDescriptors(limit: number, fixed: number, wanted: number): Budget {
  if (limit === Number.POSITIVE_INFINITY) return { maxConnections: wanted, maxParked: 1024 };
  const free = Math.max(8, limit - OWN - fixed);
  const maxParked = Math.min(1024, Math.max(2, Math.floor(free / 10)));
  const derived = Math.max(2, Math.floor((free - maxParked) / 2));
  return { maxConnections: wanted > 0 ? wanted : derived, maxParked };
}

import type { BackendSnapshot, Snapshot } from '../../control/snapshot.js';

/** What happened a second. */
export interface Rates {
  readonly connections: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** A backend's key in the maps of `top`. */
export function keyOf(service: string, backend: string): string {
  return `${service}/${backend}`;
}

/**
 * Rates between two snapshots, by `keyOf` for backends and by name for services (names have no slash). The instance's own
 * clock counts, so it does not matter how long the answers took. What is new, or was counted from zero again, has none.
 */
export function ratesBetween(before: Snapshot | undefined, now: Snapshot): ReadonlyMap<string, Rates> {
  const rates = new Map<string, Rates>();
  const seconds = before === undefined ? 0 : now.uptime_seconds - before.uptime_seconds;
  if (before === undefined || before.pid !== now.pid || seconds <= 0) return rates;
  const old = new Map(
    before.services.flatMap(({ name, backends }) => backends.map(one => [keyOf(name, one.id), one] as const)),
  );
  for (const { name, backends } of now.services) {
    const known: Rates[] = [];
    for (const backend of backends) {
      const rate = between(old.get(keyOf(name, backend.id)), backend, seconds);
      if (rate === undefined) continue;
      rates.set(keyOf(name, backend.id), rate);
      known.push(rate);
    }
    if (known.length > 0) rates.set(name, sum(known));
  }
  return rates;
}

function between(
  before: BackendSnapshot | undefined,
  now: BackendSnapshot,
  seconds: number,
): Rates | undefined {
  if (before === undefined || now.total < before.total) return undefined;
  return {
    connections: (now.total - before.total) / seconds,
    bytesIn: Math.max(0, now.bytes_in - before.bytes_in) / seconds,
    bytesOut: Math.max(0, now.bytes_out - before.bytes_out) / seconds,
  };
}

export function sum(rates: readonly Rates[]): Rates {
  return rates.reduce(
    (all, one) => ({
      connections: all.connections + one.connections,
      bytesIn: all.bytesIn + one.bytesIn,
      bytesOut: all.bytesOut + one.bytesOut,
    }),
    { connections: 0, bytesIn: 0, bytesOut: 0 },
  );
}

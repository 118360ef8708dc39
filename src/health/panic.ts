import type { Backend } from '../pool/backend.js';

/**
 * True when health is to be ignored: fewer than `threshold` percent of the primaries that the operator left in service
 * are usable. Sending some connections to dead backends is better than crushing the few that are left (Envoy's panic
 * threshold). 0 = never. Backups, draining backends and those in maintenance are not counted.
 */
export function inPanic(backends: Iterable<Backend>, threshold: number): boolean {
  if (threshold === 0) return false;
  let total = 0;
  let usable = 0;
  for (const backend of backends) {
    if (backend.backup || backend.admin !== 'ready') continue;
    total++;
    if (backend.health !== 'down') usable++;
  }
  return total > 0 && usable * 100 < threshold * total;
}

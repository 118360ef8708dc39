import type { BackendConfig } from '../config/schema.js';
import type { Discovered, Found } from './entry.js';
import { endpointKey } from './order.js';

/** An entry of the service with what it stands for now. */
export interface Source {
  readonly entry: BackendConfig;
  readonly found: readonly Found[];
}

/**
 * The service's list of backends, in file order and then address order. Pure.
 *
 * Of entries that lead to the same endpoint the first keeps it. Ids: an endpoint of an entry that was in `previous` keeps
 * its id; a newcomer takes its base id (the entry's, or `target:port`) if nobody holds it, else `base@address`.
 */
export function backendList(
  sources: readonly Source[],
  previous: readonly Discovered[],
): readonly Discovered[] {
  const held = new Map<string, string>();
  for (const backend of previous) held.set(holderKey(backend.entry.id, backend), backend.id);
  const places = unique(sources);

  const ids = new Map<string, string>();
  const taken = new Set<string>();
  const give = (key: string, id: string): void => {
    ids.set(key, id);
    taken.add(id);
  };
  // What the file names outright comes first: its id is not up for choice.
  for (const { key, entry, found } of places) if (isFixed(entry)) give(key, found.base);
  for (const { key, entry, found } of places) {
    const id = held.get(holderKey(entry.id, found));
    if (!ids.has(key) && id !== undefined && isOf(id, found.base) && !taken.has(id)) give(key, id);
  }
  for (const { key, found } of places) if (!ids.has(key)) give(key, freeId(found, taken));

  return places.map(({ key, entry, found }) => ({
    id: ids.get(key)!,
    endpoint: found.endpoint,
    weight: entry.weight * found.weight,
    backup: entry.backup || found.backup,
    max_connections: entry.max_connections,
    disabled: entry.disabled,
    entry,
  }));
}

function unique(sources: readonly Source[]): { key: string; entry: BackendConfig; found: Found }[] {
  const seen = new Set<string>();
  const places = [];
  for (const { entry, found: all } of sources) {
    for (const found of all) {
      const key = endpointKey(found.endpoint);
      if (seen.has(key)) continue;
      seen.add(key);
      places.push({ key, entry, found });
    }
  }
  return places;
}

function isFixed(entry: BackendConfig): boolean {
  return entry.address.kind === 'ip' || entry.address.kind === 'unix';
}

function holderKey(entryId: string, { endpoint }: Pick<Found, 'endpoint'>): string {
  return `${entryId} ${endpointKey(endpoint)}`;
}

/** An SRV target may have got another name or port: then the old id would lie. */
function isOf(id: string, base: string): boolean {
  return id === base || id.startsWith(`${base}@`);
}

function freeId({ base, endpoint }: Found, taken: ReadonlySet<string>): string {
  if (!taken.has(base)) return base;
  const full = `${base}@${endpoint.kind === 'ip' ? endpoint.host : endpoint.path}`;
  let id = full;
  for (let n = 2; taken.has(id); n++) id = `${full}#${n}`;
  return id;
}

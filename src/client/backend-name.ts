import { didYouMean, escapeText, quote } from '../config/text.js';
import type { BackendSnapshot, ServiceSnapshot, Snapshot } from '../control/snapshot.js';
import { Lb4Error } from '../errors.js';

/** What `SERVICE/BACKEND` stands for. */
export interface Named {
  readonly service: ServiceSnapshot;
  readonly backend: BackendSnapshot;
}

/** `pg/10.0.0.1:5432`, safe to print. */
export function backendName({
  service,
  backend,
}: {
  readonly service: Pick<ServiceSnapshot, 'name'>;
  readonly backend: Pick<BackendSnapshot, 'id'>;
}): string {
  return escapeText(`${service.name}/${backend.id}`);
}

/** The service called `name`. Throws Lb4Error LB4_ADMIN that says which there are. */
export function findService({ services }: Snapshot, name: string): ServiceSnapshot {
  const found = services.find(one => one.name === name);
  if (found !== undefined) return found;
  const names = services.map(one => one.name);
  throw new Lb4Error(
    'LB4_ADMIN',
    `no service ${quote(name)}${didYouMean(name, names)}; there is ${some(names)}`,
  );
}

/**
 * The service and the id of a backend that `text` names: SERVICE/BACKEND, or BACKEND alone where there is one service.
 * Service names have no slash, ids may. The backend need not be there. Throws Lb4Error LB4_ADMIN.
 */
export function splitName(status: Snapshot, text: string): { service: ServiceSnapshot; id: string } {
  const { services } = status;
  const slash = text.indexOf('/');
  const first = text.slice(0, Math.max(0, slash));
  // `unix:/path` begins with no service: names have no colon.
  if (slash === -1 || first.includes(':')) {
    if (services.length !== 1) throw severalServices(status, text);
    return { service: services[0]!, id: text };
  }
  return { service: findService(status, first), id: text.slice(slash + 1) };
}

/** The backend that `text` names as for splitName. Throws Lb4Error LB4_ADMIN that says which there are. */
export function findBackend(status: Snapshot, text: string): Named {
  const { service, id } = splitName(status, text);
  const backend = service.backends.find(one => one.id === id);
  if (backend === undefined) throw noBackend(service, id);
  return { service, backend };
}

/** Every SERVICE/BACKEND there is. */
export function everyName({ services }: Snapshot): string[] {
  return services.flatMap(({ name, backends }) => backends.map(({ id }) => `${name}/${id}`));
}

function severalServices({ services }: Snapshot, id: string): Lb4Error {
  const names = services.map(({ name }) => name);
  const holders = services.filter(({ backends }) => backends.some(one => one.id === id));
  const hint = holders.length === 0 ? '' : `; there is ${some(holders.map(({ name }) => `${name}/${id}`))}`;
  return new Lb4Error(
    'LB4_ADMIN',
    `expected SERVICE/BACKEND, because there are ${services.length} services (${some(names)}), got ${quote(id)}${hint}`,
  );
}

function noBackend(service: ServiceSnapshot, id: string): Lb4Error {
  const ids = service.backends.map(one => one.id);
  return new Lb4Error(
    'LB4_ADMIN',
    `service ${quote(service.name)} has no backend ${quote(id)}${didYouMean(id, ids)}; it has ${some(ids)}`,
  );
}

const SHOWN = 8;

/** The first few of a list, on one line. */
function some(names: readonly string[]): string {
  if (names.length === 0) return 'none';
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : '';
  return names.slice(0, SHOWN).map(escapeText).join(', ') + more;
}

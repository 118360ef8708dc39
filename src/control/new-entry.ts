import { backendFault } from '../config/check.js';
import type { BackendConfig, ServiceConfig } from '../config/schema.js';
import { quote } from '../config/text.js';
import { endpointKey } from '../discovery/order.js';
import { ConfigError, Lb4Error } from '../errors.js';
import type { Backend } from '../pool/backend.js';

/**
 * Whether a service may have one more entry beside `entries` and the backends that they stand for. Throws Lb4Error
 * LB4_CONFLICT where it is there already, ConfigError where it does not fit the service.
 */
export function checkNewEntry(
  entry: BackendConfig,
  service: ServiceConfig,
  entries: readonly BackendConfig[],
  list: readonly Backend[],
): void {
  const { id, address } = entry;
  const { name } = service;
  const message = backendFault(service, entry);
  if (message !== '') {
    const path = `services.${name}.backends`;
    throw new ConfigError([{ severity: 'error', path, source: 'request', message }]);
  }
  const where = `in service ${quote(name)}`;
  if ([...entries, ...list].some(one => one.id === id)) {
    throw new Lb4Error('LB4_CONFLICT', `there is a backend ${quote(id)} ${where} already`);
  }
  if (address.kind !== 'ip' && address.kind !== 'unix') return;
  const key = endpointKey(address);
  const same = list.find(({ endpoint }) => endpointKey(endpoint) === key);
  if (same === undefined) return;
  throw new Lb4Error('LB4_CONFLICT', `the backend ${quote(same.id)} ${where} has this address already`);
}

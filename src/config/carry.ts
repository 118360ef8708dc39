import { freeze } from './finish.js';
import { parseConfigObject } from './parse.js';
import type { Config, ServiceConfig } from './schema.js';
import { Secret } from './secret.js';

/** Stands for a Secret, which is gone from a copy that is posted. */
interface Told {
  readonly $secret: string;
}

/** A parsed configuration as data that can be cloned: its secrets are told, so it is for this program's own processes only. */
export function packConfig<T extends Config | ServiceConfig>(config: T): T {
  return pack(config) as T;
}

/**
 * What `packConfig` made in another process, frozen as the parser does it. Of another version of lb4: keys that this one knows
 * and that one did not have their defaults.
 */
export function unpackConfig(packed: Config): Config {
  const defaults = parseConfigObject({
    services: { defaults: { listen: '127.0.0.1:1', backends: ['127.0.0.1:2'] } },
  });
  const { services, ...rest } = unpack(packed) as Config;
  const { services: _, ...globals } = defaults;
  const complete = { ...(fill(rest, globals) as Config), services: Object.create(null) };
  for (const [name, service] of Object.entries(services)) complete.services[name] = completeService(service);
  return freeze(complete) as Config;
}

/** The same for one service. */
export function unpackService(packed: ServiceConfig): ServiceConfig {
  return freeze(completeService(unpack(packed) as ServiceConfig)) as ServiceConfig;
}

function completeService(service: ServiceConfig): ServiceConfig {
  const { protocol } = service;
  const { services } = parseConfigObject({
    services: { defaults: { protocol, listen: '127.0.0.1:1', backends: ['127.0.0.1:2'] } },
  });
  return fill(service, services.defaults!) as ServiceConfig;
}

function pack(value: unknown): unknown {
  if (value instanceof Secret) return { $secret: value.reveal() } satisfies Told;
  return mapValues(value, pack);
}

function unpack(value: unknown): unknown {
  if (isTable(value) && typeof (value as Partial<Told>).$secret === 'string') {
    return new Secret((value as Told).$secret);
  }
  return mapValues(value, unpack);
}

function mapValues(value: unknown, map: (value: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map(map);
  if (!isTable(value)) return value;
  const copy: Record<string, unknown> = Object.create(Object.getPrototypeOf(value));
  for (const [key, one] of Object.entries(value)) copy[key] = map(one);
  return copy;
}

/** `value` with what it lacks of `defaults`, at every depth. A strategy's options are its own. */
function fill(value: unknown, defaults: unknown): unknown {
  if (!isTable(value) || !isTable(defaults)) return value;
  const copy: Record<string, unknown> = Object.create(Object.getPrototypeOf(value));
  for (const [key, one] of Object.entries(value)) {
    copy[key] = key === 'strategy' ? one : fill(one, (defaults as Record<string, unknown>)[key]);
  }
  for (const [key, one] of Object.entries(defaults)) if (!Object.hasOwn(copy, key)) copy[key] = one;
  return copy;
}

function isTable(value: unknown): value is object {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !ArrayBuffer.isView(value) &&
    !(value instanceof Secret)
  );
}

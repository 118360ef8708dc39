import { isAbsolute, resolve } from 'node:path';
import { isUserStrategy } from '../../strategies/load.js';
import { inherit } from './group.js';
import { valueAt } from './prepare.js';
import type { Config, configSchema, GroupConfig, ServiceConfig } from './schema.js';

type Parsed = ReturnType<typeof configSchema.parse>;

/**
 * What was parsed as the configuration that is used: services have their names and what their groups say, paths are
 * absolute, everything is frozen. `tree` is what was written. A group that does not exist is an empty one here.
 */
export function finish({ groups, services, ...rest }: Parsed, tree: unknown, base: string): Config {
  const shared: Record<string, GroupConfig> = Object.create(null);
  for (const [name, group] of Object.entries(groups)) {
    shared[name] = { ...group, health: withPaths(group.health, base) };
  }
  const named: Record<string, ServiceConfig> = Object.create(null);
  for (const [name, service] of Object.entries(services)) {
    const { kind } = service.strategy;
    const path = isUserStrategy(kind) && !isAbsolute(kind) ? resolve(base, kind) : kind;
    const { group, backends = [] } = service;
    const own = withPaths(service.health, base);
    const from = group === undefined ? undefined : shared[group];
    const written = valueAt(tree, ['services', name, 'health']);
    named[name] = {
      name,
      ...service,
      strategy: { ...service.strategy, kind: path },
      backends: from?.backends ?? backends,
      health: from === undefined ? own : inherit(from.health, own, new Set(Object.keys(written ?? {}))),
    };
  }
  const { token_file } = rest.admin;
  const admin =
    token_file === undefined ? rest.admin : { ...rest.admin, token_file: resolve(base, token_file) };
  return freeze({ ...rest, admin, groups: shared, services: named });
}

/** Relative paths of files start from the configuration's folder. */
function withPaths<T extends Pick<ServiceConfig['health'], 'password_file' | 'tls'>>(
  health: T,
  base: string,
): T {
  const at = (path: string | undefined) => (path === undefined ? undefined : resolve(base, path));
  const { password_file, tls } = health;
  return {
    ...health,
    password_file: at(password_file),
    tls: tls && {
      ...tls,
      ca_file: at(tls.ca_file),
      cert_file: at(tls.cert_file),
      key_file: at(tls.key_file),
    },
  };
}

/** Nothing in it changes any more. */
export function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  for (const child of Object.values(value)) freeze(child);
  return Object.freeze(value);
}

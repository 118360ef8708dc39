import { isDeepStrictEqual } from 'node:util';
import { formatAddress, type Listen } from '../address.js';
import { freeze } from './finish.js';
import type { BackendConfig, Config, ServiceConfig } from './schema.js';

/** What is different about a service that both configurations have. */
export interface ServiceDiff {
  readonly service: string;
  /** Listen addresses as text. */
  readonly listeners: { readonly added: readonly string[]; readonly removed: readonly string[] };
  /** Backend ids. A backend whose address changed counts as changed: it keeps its id, not its connections. */
  readonly backends: {
    readonly added: readonly string[];
    readonly removed: readonly string[];
    readonly changed: readonly string[];
  };
  /** Dotted keys inside the service: `strategy`, `timeouts.idle`. */
  readonly settings: readonly string[];
}

export interface ConfigDiff {
  /** Services by name. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly ServiceDiff[];
  readonly unchanged: readonly string[];
  /** Dotted keys outside of services that take effect at once: `log.level`. */
  readonly settings: readonly string[];
  /** Dotted keys that take effect only after a restart. */
  readonly restart: readonly string[];
}

/** Keys outside of services that a running process can change. */
const LIVE = new Set([
  'name',
  'log.level',
  'log.connections',
  'admin.listen',
  'admin.token_file',
  'runtime.max_connections',
  'runtime.drain_timeout',
  'runtime.watch',
]);

/** What a reload from `before` to `after` means. Pure; order of backends counts (`first` and hashing see it). */
export function diffConfig(before: Config, after: Config): ConfigDiff {
  const names = Object.keys(after.services);
  const kept = names.filter(name => Object.hasOwn(before.services, name));
  const changed = kept
    .map(name => diffService(before.services[name]!, after.services[name]!))
    .filter(diff => diff !== undefined);
  // What a group says is in its services.
  const { services: _b, groups: _bg, ...globalsBefore } = before;
  const { services: _a, groups: _ag, ...globalsAfter } = after;
  const globals = changedKeys(globalsBefore, globalsAfter);
  return {
    added: names.filter(name => !Object.hasOwn(before.services, name)),
    removed: Object.keys(before.services).filter(name => !Object.hasOwn(after.services, name)),
    changed,
    unchanged: kept.filter(name => !changed.some(diff => diff.service === name)),
    settings: globals.filter(key => LIVE.has(key)),
    restart: globals.filter(key => !LIVE.has(key)),
  };
}

/** The configuration `before` with what only a start can change as `after` has it: what a new process begins with. */
export function startedWith(before: Config, after: Config): Config {
  const { restart } = diffConfig(before, after);
  const next = { ...before } as unknown as Record<string, unknown>;
  for (const key of restart) {
    const [table = '', name] = key.split('.');
    const value = (after as unknown as Record<string, unknown>)[table];
    if (name === undefined) next[table] = value;
    else next[table] = { ...(next[table] as object), [name]: (value as Record<string, unknown>)[name] };
  }
  return freeze(next as unknown as Config);
}

function diffService(before: ServiceConfig, after: ServiceConfig): ServiceDiff | undefined {
  if (isDeepStrictEqual(before, after)) return undefined;
  const { listen: listenBefore, backends: backendsBefore, ...restBefore } = before;
  const { listen: listenAfter, backends: backendsAfter, ...restAfter } = after;
  const settings = changedKeys(restBefore, restAfter);
  const backends = diffBackends(backendsBefore, backendsAfter);
  const listeners = diffBinds(listenBefore, listenAfter);
  const lists = [...Object.values(backends), ...Object.values(listeners)];
  const sameBackends = isDeepStrictEqual(backendsBefore, backendsAfter);
  if (!sameBackends && Object.values(backends).every(list => list.length === 0))
    settings.push('backends (order)');
  if (settings.length === 0 && lists.every(list => list.length === 0)) return undefined;
  return { service: after.name, listeners, backends, settings };
}

function diffBinds(before: readonly Listen[], after: readonly Listen[]): ServiceDiff['listeners'] {
  const old = before.map(formatAddress);
  const next = after.map(formatAddress);
  return { added: next.filter(a => !old.includes(a)), removed: old.filter(a => !next.includes(a)) };
}

function diffBackends(
  before: readonly BackendConfig[],
  after: readonly BackendConfig[],
): ServiceDiff['backends'] {
  const old = new Map(before.map(backend => [backend.id, backend]));
  const next = new Map(after.map(backend => [backend.id, backend]));
  const shared = [...next.values()].filter(backend => old.has(backend.id));
  return {
    added: [...next.keys()].filter(id => !old.has(id)),
    removed: [...old.keys()].filter(id => !next.has(id)),
    changed: shared.filter(backend => !isDeepStrictEqual(old.get(backend.id), backend)).map(b => b.id),
  };
}

/** Tables that are compared as a whole. */
const WHOLE = new Set(['strategy', 'listen', 'tls', 'password']);

/** Dotted keys that differ, down to two levels; lists are compared as a whole. */
function changedKeys(before: object, after: object): string[] {
  const old = new Map<string, unknown>(Object.entries(before));
  const next = new Map<string, unknown>(Object.entries(after));
  const keys = new Set([...old.keys(), ...next.keys()]);
  return [...keys].flatMap(key => {
    const a = old.get(key);
    const b = next.get(key);
    if (isDeepStrictEqual(a, b)) return [];
    const inner = !WHOLE.has(key) && isTable(a) && isTable(b);
    return inner ? changedKeys(a, b).map(k => `${key}.${k}`) : [key];
  });
}

function isTable(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

/** The diff in plain words, one thought a line; "nothing changed" when it is empty. */
export function formatDiff(diff: ConfigDiff): string {
  const lines = [
    ...diff.added.map(name => `service ${name}: added`),
    ...diff.removed.map(name => `service ${name}: removed, its connections drain`),
    ...diff.changed.map(change => `service ${change.service}: ${changeWords(change)}`),
  ];
  if (diff.settings.length > 0) lines.push(`changed: ${diff.settings.join(', ')}`);
  if (diff.restart.length > 0) lines.push(`needs a restart to take effect: ${diff.restart.join(', ')}`);
  if (lines.length === 0) return 'nothing changed';
  if (diff.unchanged.length > 0) lines.push(`unchanged: ${diff.unchanged.join(', ')}`);
  return lines.join('\n');
}

function changeWords({ listeners, backends, settings }: ServiceDiff): string {
  const part = (what: string, list: readonly string[]) =>
    list.length === 0 ? [] : [`${what} ${list.join(', ')}`];
  return [
    ...part('listens also on', listeners.added),
    ...part('listens no more on', listeners.removed),
    ...part('backends added', backends.added),
    ...part('backends removed (draining)', backends.removed),
    ...part('backends changed', backends.changed),
    ...part('settings changed', settings),
  ].join('; ');
}

/** True when a reload would change nothing at all. */
export function isEmptyDiff({ added, removed, changed, settings, restart }: ConfigDiff): boolean {
  return [added, removed, changed, settings, restart].every(list => list.length === 0);
}

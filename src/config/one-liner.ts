import { type Bind, parseBind } from '../address.js';
import { ConfigError, type ConfigIssue, Lb4Error } from '../errors.js';
import { type PlaceOf, parseConfigObject } from './parse.js';
import type { Config, ConfigInput } from './schema.js';
import { didYouMean, quote } from './text.js';

/** The flags of the one-liner, as yargs gives them. What is absent keeps its default. */
export interface OneLinerFlags {
  readonly listen?: readonly string[];
  readonly to?: readonly string[];
  readonly strategy?: string;
  readonly udp?: boolean;
  readonly engine?: string;
  readonly threads?: number;
  readonly admin?: string;
  readonly name?: string;
  readonly sendProxy?: string;
  readonly acceptProxy?: boolean;
  readonly connectTimeout?: string;
  readonly idleTimeout?: string;
  readonly drainTimeout?: string;
  readonly user?: string;
  readonly watch?: boolean;
  readonly checkInterval?: string;
  readonly checkTimeout?: string;
  readonly fall?: number;
  readonly rise?: number;
  /** yargs reads `--no-check` as `check: false`. */
  readonly check?: boolean;
  readonly maxConnections?: number;
  readonly logLevel?: string;
  readonly logFormat?: string;
}

/** Each simple flag and the key it sets. */
const KEYS: readonly (readonly [keyof OneLinerFlags, string, string])[] = [
  ['name', '--name', 'name'],
  ['logLevel', '--log-level', 'log.level'],
  ['logFormat', '--log-format', 'log.format'],
  ['admin', '--admin', 'admin.listen'],
  ['engine', '--engine', 'runtime.engine'],
  ['threads', '--threads', 'runtime.threads'],
  ['maxConnections', '--max-connections', 'runtime.max_connections'],
  ['drainTimeout', '--drain-timeout', 'runtime.drain_timeout'],
  ['user', '--user', 'runtime.user'],
  ['watch', '--watch', 'runtime.watch'],
  ['strategy', '--strategy', 'services.main.strategy'],
  ['connectTimeout', '--connect-timeout', 'services.main.timeouts.connect'],
  ['idleTimeout', '--idle-timeout', 'services.main.timeouts.idle'],
  ['checkInterval', '--check-interval', 'services.main.health.interval'],
  ['checkTimeout', '--check-timeout', 'services.main.health.timeout'],
  ['fall', '--fall', 'services.main.health.fall'],
  ['rise', '--rise', 'services.main.health.rise'],
  ['sendProxy', '--send-proxy', 'services.main.proxy_protocol.send'],
];

/** Flags that set one key each: the property, the flag, the key. */
export function flagKeys(): typeof KEYS {
  return KEYS;
}

/** Flags that set keys in a way of their own. */
const OTHER_FLAGS: readonly (readonly [string, string])[] = [
  ['services.main.listen', '--listen'],
  ['services.main.backends', '--to'],
  ['services.main.protocol', '--udp'],
  ['services.main.proxy_protocol.accept', '--accept-proxy'],
  ['services.main.health.kind', '--no-check'],
];

/** One entry of `--to`, taken apart. */
interface Destination {
  readonly address: string;
  readonly weight?: string;
  readonly backup: boolean;
}

/** Flags as the raw object that TOML would give, where each key came from, and the faults that only flags can have. */
export function oneLiner(flags: OneLinerFlags): { raw: ConfigInput; place: PlaceOf; issues: ConfigIssue[] } {
  const issues: ConfigIssue[] = [];
  const fail = (source: string, message: string) => {
    issues.push({ severity: 'error', path: '', source, message });
  };
  const listen = (flags.listen ?? []).map(text => text.trim());
  if (listen.length === 0) fail('--listen', 'expected an address to listen on, "[HOST:]PORT", got none');
  const words = (flags.to ?? []).flatMap(text => text.split(',')).map(text => text.trim());
  const destinations = words.filter(word => word !== '').map(readDestination);
  if (destinations.length === 0) fail('--to', 'expected a list of backends "host[:port]", got none');
  const ports = listenPorts(listen);
  for (const { address } of destinations) {
    const fault = destinationFault(address, ports);
    if (fault !== undefined) fail('--to', fault);
  }
  const port = ports.size === 1 ? [...ports][0] : undefined;
  const backends = destinations.map(destination => backendTable(destination, port));
  return { raw: rawConfig(flags, listen, backends), place, issues };
}

/** Flags straight to a Config. Throws ConfigError with every fault; each names its flag. */
export function parseOneLiner(flags: OneLinerFlags): Config {
  const { raw, place, issues } = oneLiner(flags);
  try {
    const config = parseConfigObject(raw, { source: place });
    if (issues.length === 0) return config;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    // What a faulty flag leads to further on is no news.
    issues.push(...error.issues.filter(later => !issues.some(known => known.source === later.source)));
  }
  throw new ConfigError(issues);
}

const place: PlaceOf = path => {
  const dotted = path.join('.');
  const found = [...KEYS.map(([, flag, key]) => [key, flag] as const), ...OTHER_FLAGS].find(
    ([key]) => dotted === key || dotted.startsWith(`${key}.`),
  );
  return found === undefined ? { source: 'command line', path: dotted } : { source: found[1], path: '' };
};

/** `host[:port][*weight][+backup]`, the two endings in either order. */
function readDestination(text: string): Destination {
  let address = text;
  let weight: string | undefined;
  let backup = false;
  for (;;) {
    const match = /^(.+?)(?:\*([^*+]*)|(\+backup))$/.exec(address);
    if (match === null || (match[2] !== undefined && weight !== undefined)) break;
    if (match[3] !== undefined) backup = true;
    else weight = match[2];
    address = match[1]!;
  }
  return { address, weight, backup };
}

function backendTable({ address, weight, backup }: Destination, port: number | undefined) {
  return {
    address: port !== undefined && lacksPort(address) ? withPort(address, port) : address,
    ...(weight !== undefined && { weight: (/^\d+$/.test(weight) ? Number(weight) : weight) as number }),
    ...(backup && { backup }),
  };
}

/** What is wrong with one entry as an entry of `--to`; whether it is an address is for the schema to say. */
function destinationFault(address: string, ports: ReadonlySet<number>): string | undefined {
  const ending = address.startsWith('unix:') ? null : /\+.*$/.exec(address);
  if (ending !== null) {
    const hint = didYouMean(ending[0], ['+backup']);
    return `expected "host[:port][*weight][+backup]", got ${quote(address)}${hint}`;
  }
  if (!lacksPort(address)) return undefined;
  if (ports.size > 1) {
    const list = [...ports].join(', ');
    return `expected a port in ${quote(address)}, because --listen names several (${list})`;
  }
  return ports.has(0)
    ? `expected a port in ${quote(address)}, because --listen lets the system choose one`
    : undefined;
}

function lacksPort(address: string): boolean {
  if (address.startsWith('unix:') || address.startsWith('srv:')) return false;
  if (address.startsWith('[')) return address.endsWith(']');
  return !address.includes(':') || isBareV6(address);
}

function isBareV6(address: string): boolean {
  return address.split(':').length > 2;
}

function withPort(address: string, port: number): string {
  return isBareV6(address) && !address.startsWith('[') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** The distinct ports of the listen addresses; faulty ones are reported later, by the schema. */
function listenPorts(listen: readonly string[]): Set<number> {
  const ports = new Set<number>();
  for (const text of listen) {
    let bind: Bind;
    try {
      bind = parseBind(text);
    } catch (error) {
      if (error instanceof Lb4Error) continue;
      throw error;
    }
    if (bind.kind !== 'unix') ports.add(bind.port);
  }
  return ports;
}

function rawConfig(flags: OneLinerFlags, listen: string[], backends: { address: string }[]): ConfigInput {
  const raw: Record<string, unknown> = {};
  const set = (key: string, value: unknown) => {
    const steps = key.split('.');
    let table = raw;
    for (const step of steps.slice(0, -1)) {
      table[step] ??= {};
      table = table[step] as Record<string, unknown>;
    }
    table[steps.at(-1)!] = value;
  };
  set('services.main.listen', listen);
  set('services.main.backends', backends);
  if (flags.udp) set('services.main.protocol', 'udp');
  for (const [flag, , key] of KEYS) {
    if (flags[flag] !== undefined) set(key, flags[flag]);
  }
  if (flags.check === false) set('services.main.health.kind', 'none');
  if (flags.acceptProxy) {
    // The one-liner has no list of networks: whoever writes it says that all its clients are proxies.
    set('services.main.proxy_protocol.accept', 'any');
    set('services.main.proxy_protocol.accept_from', ['0.0.0.0/0', '::/0']);
  }
  return raw as ConfigInput;
}

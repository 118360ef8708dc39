import { isLoopback, type Listen, Peer, type Target } from '../address.js';
import { formatDuration } from '../duration.js';
import type { ConfigIssue } from '../errors.js';
import type { PlaceOf } from './parse.js';
import type { Config, ServiceConfig } from './schema.js';
import { pathText, quote } from './text.js';

/** What the lint may know about the machine; what is left out is not checked. */
export interface SystemFacts {
  /** RLIMIT_NOFILE, soft. */
  readonly fileLimit?: number;
  /** This machine's own addresses, without prefix length. */
  readonly interfaces?: readonly string[];
}

const SHORT_IDLE_MS = 600_000;
/** Default of Redis's repl-ping-replica-period. */
const REDIS_PING_MS = 10_000;

type Warn = (path: readonly PropertyKey[], message: string) => void;

/**
 * What is allowed but most often a mistake, as warnings. Pure: facts about the machine are passed in, and `place`
 * says where a key stands (default: the path alone).
 */
export function lintConfig(config: Config, system: SystemFacts = {}, place?: PlaceOf): ConfigIssue[] {
  const issues: ConfigIssue[] = [];
  const warn: Warn = (path, message) => {
    const at = place?.(path, 'value') ?? { source: 'config', path: pathText(path) };
    issues.push({ severity: 'warning', message, ...at });
  };
  limit(config.runtime.max_connections, ['runtime', 'max_connections'], system, warn);
  for (const name of Object.keys(config.groups)) {
    if (Object.values(config.services).every(({ group }) => group !== name)) {
      warn(['groups', name], 'no service uses this group');
    }
  }
  for (const service of Object.values(config.services)) {
    const inService: Warn = (path, message) => warn(['services', service.name, ...path], message);
    limit(service.max_connections, ['max_connections'], system, inService);
    idle(service, inService);
    health(service, inService);
    hash(service, inService);
    loops(service, system.interfaces ?? [], inService);
    if (config.runtime.engine === 'net') epollOnly(service, inService);
  }
  return issues;
}

/** A TCP connection takes two descriptors: the client's and the backend's. */
function limit(max: number, path: readonly PropertyKey[], { fileLimit }: SystemFacts, warn: Warn): void {
  if (fileLimit === undefined || max === 0 || fileLimit >= 2 * max) return;
  warn(
    path,
    `${max} connections need ${2 * max} file descriptors, but the limit is ${fileLimit} (ulimit -n, LimitNOFILE)`,
  );
}

function idle({ protocol, timeouts }: ServiceConfig, warn: Warn): void {
  if (protocol === 'tcp' && timeouts.idle > 0 && timeouts.idle < SHORT_IDLE_MS) {
    const found = formatDuration(timeouts.idle);
    warn(
      ['timeouts', 'idle'],
      `${found} closes quiet connections, and connection pools are often quiet for longer; use 0 (never) or at least 10m`,
    );
  }
  if (protocol === 'udp' && timeouts.idle === 0) {
    warn(
      ['timeouts', 'idle'],
      'UDP flows never end without an idle timeout, and the table fills up; use 60s or so',
    );
  }
}

function health({ protocol, health, queue }: ServiceConfig, warn: Warn): void {
  if (health.role === 'primary' && queue.size === 0) {
    warn(
      ['health', 'role'],
      'there is one primary, and while it is replaced new connections fail; with [queue] size = 1000 or so they wait for the next one',
    );
  }
  if (health.kind === 'redis' && health.max_lag > 0 && health.max_lag <= REDIS_PING_MS) {
    warn(
      ['health', 'max_lag'],
      "an idle primary says a word every 10s (repl-ping-replica-period), and until then a replica's lag grows; use more than that, or make Redis ping more often",
    );
  }
  if (health.role === 'primary' && health.on_down === 'keep') {
    warn(
      ['health', 'on_down'],
      'sessions stay on a server that is a primary no longer; use "close", so that clients come back to the new one',
    );
  }
  if (health.kind !== 'none') return;
  if (protocol === 'tcp') {
    warn(
      ['health', 'kind'],
      health.passive_failures === 0
        ? 'health checks are off: backends that are dead go on getting connections'
        : 'active health checks are off: a dead backend is found only by connections that fail on it',
    );
  } else if (health.passive_failures === 0) {
    warn(
      ['health', 'passive_failures'],
      'with no probe and no passive check, dead backends go on getting datagrams',
    );
  }
}

function hash({ strategy }: ServiceConfig, warn: Warn): void {
  const { kind, prefix4, load_factor } = strategy;
  if (kind !== 'ip-hash' || typeof prefix4 !== 'number' || prefix4 >= 32) return;
  if (typeof load_factor === 'number' && load_factor > 1) return;
  warn(
    ['strategy', 'prefix4'],
    `every client in a /${prefix4} network goes to the same backend; set load_factor = 1.25 or so to bound how far one backend may run ahead`,
  );
}

/** Node cannot set these. */
function epollOnly({ socket }: ServiceConfig, warn: Warn): void {
  for (const key of ['user_timeout', 'defer_accept', 'fastopen'] as const) {
    if (socket[key] !== 0) warn(['socket', key], 'has no effect on engine "net"');
  }
}

/** A backend that is the listener itself: each connection would make the next until nothing is left. */
function loops(service: ServiceConfig, interfaces: readonly string[], warn: Warn): void {
  const own = new Set(interfaces.map(host => new Peer().setText(host, 0).address));
  for (const [i, { address }] of service.backends.entries()) {
    if (service.listen.some(bind => same(bind, address, own))) {
      warn(['backends', i], `this is the service's own listener: connections would go round in circles`);
    }
  }
  const addresses = new Map<string, string>();
  for (const [i, { address, id }] of service.backends.entries()) {
    if (address.kind === 'srv') continue;
    const key = address.kind === 'unix' ? address.path : `${address.host.toLowerCase()} ${address.port}`;
    const first = addresses.get(key);
    if (first === undefined) addresses.set(key, id);
    else warn(['backends', i], `the same address as backend ${quote(first)}: it counts twice`);
  }
}

function same(bind: Listen, target: Target, own: ReadonlySet<string>): boolean {
  if (bind.kind === 'fd') return false;
  if (bind.kind === 'unix' || target.kind === 'unix') {
    return bind.kind === 'unix' && target.kind === 'unix' && bind.path === target.path;
  }
  if (target.kind === 'srv' || bind.port !== target.port) return false;
  const literal =
    target.kind === 'name' && target.host.toLowerCase() === 'localhost' ? '127.0.0.1' : target.host;
  const host = new Peer().setText(literal, 0).address;
  const everywhere = bind.kind === 'any' || bind.host === '0.0.0.0' || bind.host === '::';
  if (everywhere) return isLoopback(literal) || own.has(host) || literal === '0.0.0.0' || literal === '::';
  return target.kind === 'ip' || literal !== target.host
    ? new Peer().setText(bind.host, 0).address === host
    : false;
}

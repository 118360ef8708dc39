import { formatAddress } from '../address.js';
import { formatDuration } from '../duration.js';
import { parseConfigObject } from './parse.js';
import { formatRate } from './rate.js';
import type {
  AdminListen,
  BackendConfig,
  Config,
  GroupConfig,
  ServiceConfig,
  StrategyConfig,
} from './schema.js';
import { Secret } from './secret.js';
import { strategyDefaults } from './strategy.js';
import type { TlsConfig } from './tls.js';
import { key, string, value } from './toml-text.js';

/** A Config in which every key that has a default has it; for a protocol, as defaults differ. */
export function defaultConfig(protocol: 'tcp' | 'udp' = 'tcp'): Config {
  return parseConfigObject({ services: { main: { listen: '0', protocol, backends: ['127.0.0.1:1'] } } });
}

/** What every key is when a file does not name it. */
export const CONFIG_DEFAULTS: Readonly<Record<'tcp' | 'udp', Config>> = Object.freeze({
  tcp: defaultConfig('tcp'),
  udp: defaultConfig('udp'),
});

/** Keys whose number is milliseconds, or events a second. */
const DURATIONS = new Set([
  'drain_timeout',
  'connect',
  'idle',
  'half_closed',
  'queue',
  'header',
  'interval',
  'fast_interval',
  'timeout',
  'slow_start',
  'max_lag',
  'keepalive',
  'user_timeout',
  'defer_accept',
]);
const RATES = new Set(['connection_rate', 'connection_rate_per_client']);
const ESSENTIAL = new Set(['listen', 'protocol', 'strategy', 'backends', 'group']);

/**
 * A Config as TOML: what differs from the defaults and the essentials. Loading the text gives the same Config again, but
 * for passwords, which are not shown: a comment stands in their place.
 * `comment` becomes the first lines.
 */
export function printConfig(config: Config, comment = ''): string {
  const { name, log, admin, runtime, groups, services } = config;
  const defaults = CONFIG_DEFAULTS.tcp;
  const lines = comment === '' ? [] : comment.split('\n').map(line => `# ${line}`.trimEnd());
  if (name !== defaults.name) lines.push(`name = ${string(name)}`);
  lines.push(...table('log', fields(log, defaults.log)));
  lines.push(...table('admin', fields(admin, defaults.admin)));
  lines.push(...table('runtime', fields(runtime, defaults.runtime)));
  for (const [name, group] of Object.entries(groups)) lines.push(...groupLines(name, group));
  for (const service of Object.values(services)) lines.push(...serviceLines(service, groups));
  return `${lines.join('\n').trimStart()}\n`;
}

function groupLines(name: string, { backends, health }: GroupConfig): string[] {
  const path = `groups.${key(name)}`;
  // No kind of its own: the default is for the services to say.
  const { kind: _, ...defaults } = CONFIG_DEFAULTS.tcp.services.main!.health;
  return [
    ...table(path, fields({ backends }, {}, ESSENTIAL)),
    ...table(`${path}.health`, fields(health, defaults)),
  ];
}

function serviceLines(service: ServiceConfig, groups: Config['groups']): string[] {
  const { name: _, group, ...rest } = service;
  const standard = CONFIG_DEFAULTS[service.protocol].services.main!;
  const shared = group === undefined ? undefined : groups[group];
  // What the group says goes without saying.
  const defaults = shared === undefined ? standard : { ...standard, health: shared.health };
  const own = shared === undefined ? rest : { ...rest, backends: undefined, group };
  const path = `services.${key(service.name)}`;
  const lines = table(path, fields(own, defaults, ESSENTIAL));
  for (const [name, settings] of Object.entries(own)) {
    if (!isTable(name, settings)) continue;
    lines.push(
      ...table(`${path}.${name}`, fields(settings, defaults[name as keyof typeof defaults] as object)),
    );
  }
  return lines;
}

/** What gets a header of its own. A strategy and TLS are tables too, but read better on one line. */
function isTable(name: string, value: unknown): value is object {
  if (name === 'strategy' || name === 'listen' || name === 'tls' || value instanceof Secret) return false;
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

function table(path: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', `[${path}]`, ...lines];
}

/** `key = value` for each key that is essential or not at its default. */
function fields(values: object, defaults: object, essential?: ReadonlySet<string>): string[] {
  const lines: string[] = [];
  const standard = new Map<string, unknown>(Object.entries(defaults));
  for (const [name, found] of Object.entries(values)) {
    if (found === undefined || isTable(name, found)) continue;
    const line = field(name, found);
    if (essential?.has(name) || line !== field(name, standard.get(name))) lines.push(line);
  }
  return lines;
}

function field(name: string, found: unknown): string {
  if (found === undefined) return '';
  if (found instanceof Uint8Array) return bytesLine(name, found);
  if (name === 'listen') return `listen = ${listen(found as ServiceConfig['listen'] | AdminListen)}`;
  if (name === 'backends') return backends(found as readonly BackendConfig[]);
  if (found instanceof Secret) return `# ${name} = "…"`;
  if (name === 'tls') return `tls = ${tls(found as TlsConfig | false)}`;
  if (name === 'strategy') return `strategy = ${strategy(found as StrategyConfig)}`;
  if (typeof found === 'number' && DURATIONS.has(name)) return `${name} = ${string(formatDuration(found))}`;
  if (typeof found === 'number' && RATES.has(name)) return `${name} = ${string(formatRate(found))}`;
  return `${name} = ${value(found)}`;
}

function listen(at: ServiceConfig['listen'] | AdminListen): string {
  if (!('kind' in at)) {
    // A bare port is how people write it.
    const texts = at.map(bind => string(bind.kind === 'any' ? `:${bind.port}` : formatAddress(bind)));
    return texts.length === 1 ? texts[0]! : `[${texts.join(', ')}]`;
  }
  if (at.kind === 'off') return string('off');
  if (at.kind === 'ip') return string(formatAddress(at));
  return string(at.path === undefined ? 'unix' : formatAddress({ kind: 'unix', path: at.path }));
}

function strategy({ kind, ...options }: StrategyConfig): string {
  const defaults = strategyDefaults(kind);
  const set = Object.entries(options).filter(([name, v]) => v !== defaults[name]);
  return set.length === 0 ? string(kind) : value({ kind, ...Object.fromEntries(set) });
}

function tls(found: TlsConfig | false): string {
  if (found === false) return 'false';
  const { verify, ...rest } = found;
  const set = Object.entries({ ...rest, ...(!verify && { verify }) }).filter(([, v]) => v !== undefined);
  return set.length === 0 ? 'true' : value(Object.fromEntries(set));
}

function backends(all: readonly BackendConfig[]): string {
  return `backends = [\n${all.map(backend => `  ${backendText(backend)},\n`).join('')}]`;
}

function backendText({ address, name, weight, backup, max_connections, disabled }: BackendConfig): string {
  const where = formatAddress(address);
  const set = {
    ...(weight !== 1 && { weight }),
    ...(backup && { backup }),
    ...(max_connections !== 0 && { max_connections }),
    ...(name !== undefined && { name }),
    ...(disabled && { disabled }),
  };
  if (/\s/.test(where)) return value({ address: where, ...set });
  const words = Object.entries(set).map(([word, v]) => (v === true ? word : `${word}=${v}`));
  return string([where, ...words].join(' '));
}

/** Text where the bytes are printable text, else hexadecimal. */
function bytesLine(name: string, bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString('utf8');
  const faithful = Buffer.from(text, 'utf8').equals(bytes);
  return faithful ? `${name} = ${string(text)}` : `${name}_hex = "${Buffer.from(bytes).toString('hex')}"`;
}

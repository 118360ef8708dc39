import { z } from 'zod';
import { parseBind } from '../address.js';
import {
  choice,
  duration,
  expected,
  flag,
  NAME,
  NAME_WORDS,
  number,
  parsed,
  path,
  text,
  textOf,
} from './fields.js';
import { groupTable } from './group.js';
import type { Secret } from './secret.js';
import { MAX_INT32, serviceTable } from './service.js';

/**
 * The one schema: the types below, lb4.schema.json and docs/configuration.md all come from it. Names are the file's own
 * (snake_case) everywhere. Times are whole milliseconds, rates are per second, addresses are parsed.
 */

/** Where the admin interface listens. `unix` without a path: the default place for this instance's name. */
export type AdminListen =
  | { readonly kind: 'off' }
  | { readonly kind: 'unix'; readonly path?: string }
  | { readonly kind: 'ip'; readonly host: string; readonly port: number };

/** USER or USER:GROUP, by name or number; empty = nobody else. */
const USER = /^$|^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,63})?$/;

const adminForms = '"unix", "unix:/path", "HOST:PORT" with a literal IP address, or "off"';

function parseAdmin(value: unknown): AdminListen {
  const found = textOf(value, adminForms);
  if (found === 'off' || found === 'unix') return { kind: found };
  const at = parseBind(found);
  if (at.kind === 'any') {
    throw expected(`${adminForms}; for every address write "0.0.0.0:${at.port}"`, found);
  }
  return at;
}

const log = z.strictObject({
  level: choice(
    ['trace', 'debug', 'info', 'warn', 'error', 'silent'],
    'Least important line to log.',
  ).prefault('info'),
  format: choice(
    ['auto', 'pretty', 'json'],
    'auto = pretty on a terminal, else one JSON object a line.',
  ).prefault('auto'),
  connections: flag('One line for each finished connection or UDP flow.').prefault(true),
});

const admin = z.strictObject({
  listen: parsed<AdminListen, string>(
    {
      description: 'Where the admin interface listens: "unix", "unix:/path", "HOST:PORT" or "off".',
      type: 'string',
    },
    parseAdmin,
  ).prefault('unix'),
  token_file: path(
    "File with the bearer token, relative to this file's folder; required for an address that is not loopback. A warning is logged where every user can read it.",
  ).optional(),
});

const runtime = z.strictObject({
  engine: choice(['auto', 'epoll', 'net'], 'Data plane; auto = epoll where it works, else net.').prefault(
    'auto',
  ),
  threads: number(0, 256, 'Data-plane threads; 0 = one per CPU.').prefault(0),
  max_connections: number(
    0,
    MAX_INT32,
    'Most connections of this process; 0 = derived from the file-descriptor limit.',
  ).prefault(0),
  drain_timeout: duration('How long connections may finish at shutdown; 0 = as long as they like.').prefault(
    '30s',
  ),
  watch: flag('Take changes of the file by itself, without a signal.').prefault(false),
  user: text(
    USER,
    '"USER" or "USER:GROUP"',
    'Where the program was started as root: who it becomes once every address is bound; empty = it stays who it is.',
  ).prefault(''),
});

export const configSchema = z.strictObject({
  name: text(NAME, NAME_WORDS, "The instance's name, used for the default admin socket.").prefault('lb4'),
  log: log.describe('What is logged, and how.').prefault({}),
  admin: admin.describe('The interface for operating a running instance.').prefault({}),
  runtime: runtime.describe('The process.').prefault({}),
  groups: z
    .record(z.string(), groupTable)
    .meta({
      description: 'Servers that several services share: [groups.NAME].',
      propertyNames: { type: 'string', pattern: NAME.source },
    })
    .prefault({}),
  services: z.record(z.string(), serviceTable).meta({
    description: 'One table for each service: [services.NAME]. At least one.',
    propertyNames: { type: 'string', pattern: NAME.source },
    minProperties: 1,
  }),
});

type Frozen<T> = T extends Uint8Array | Secret
  ? T
  : T extends readonly (infer E)[]
    ? readonly Frozen<E>[]
    : T extends object
      ? { readonly [K in keyof T]: Frozen<T[K]> }
      : T;

type Parsed = z.output<typeof configSchema>;

/** What a file or an object for createBalancer() may say. */
export type ConfigInput = z.input<typeof configSchema>;
/** Servers that services share. */
export type GroupConfig = Frozen<Parsed['groups'][string]>;
/** One service, complete: `backends` and `health` are what its group says where it has one. `name` is its table's key. */
export type ServiceConfig = Frozen<Omit<Parsed['services'][string], 'backends'>> & {
  readonly name: string;
  readonly backends: GroupConfig['backends'];
};
/** A whole configuration: frozen, parsed once, checked as a whole. `groups` and `services` have no prototype. */
export type Config = Frozen<Omit<Parsed, 'groups' | 'services'>> & {
  readonly groups: Readonly<Record<string, GroupConfig>>;
  readonly services: Readonly<Record<string, ServiceConfig>>;
};

export type { BackendConfig, BackendInput } from './backend.js';
export type { StrategyConfig, StrategyInput } from './strategy.js';
export type LogConfig = Config['log'];
export type HealthConfig = ServiceConfig['health'];

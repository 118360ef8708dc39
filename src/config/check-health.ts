import type { Report } from './check.js';
import { valueAt } from './prepare.js';
import type { HealthConfig } from './schema.js';
import { listOf, quote } from './text.js';

/** Keys that only probes that log in know, and what they are when they ask for nothing. */
const LOGIN_KEYS = {
  user: undefined,
  password: undefined,
  password_file: undefined,
  database: 'postgres',
  tls: false,
  role: 'any',
  max_lag: 0,
  split_brain: 'newest',
} as const;

/** Faults between the keys of a health table that has everything. `written` is the table before defaults. */
export function checkHealth(
  health: HealthConfig,
  written: unknown,
  report: Report,
  protocol: 'tcp' | 'udp' = 'tcp',
): void {
  const has: Has = key => valueAt(written, [key]) !== undefined;
  either('send', 'send_hex', has, report);
  either('expect', 'expect_hex', has, report);
  either('password', 'password_file', has, report);
  checkExchange(health, protocol, has, report);
  checkLogin(health, report);
  checkOwnHealth(health, written, report);
}

/** Faults of the keys that are `written`, where others have come from a group and are looked at there. */
export function checkOwnHealth(health: HealthConfig, written: unknown, report: Report): void {
  const has: Has = key => valueAt(written, [key]) !== undefined;
  checkKind(health, has, report);
  checkRole(health, has, report);
}

type Has = (key: string) => boolean;

function either(a: string, b: string, has: Has, report: Report): void {
  if (has(a) && has(b)) report(['health', b], `expected ${a} or ${b}, got both`, ['health', a]);
}

function checkExchange(health: HealthConfig, protocol: 'tcp' | 'udp', has: Has, report: Report): void {
  const keys = ['send', 'send_hex', 'expect', 'expect_hex'];
  const needs = ['kind', ...keys].map(key => ['health', key]);
  const bytes = health.send.length + health.expect.length;
  if (health.kind === 'exchange') {
    if (bytes === 0) report(['health', 'kind'], 'expected send or expect with kind = "exchange"', ...needs);
    else if (protocol === 'udp' && health.send.length === 0) {
      report(['health', 'kind'], 'expected send: a UDP probe has to ask something', ['protocol'], ...needs);
    }
  } else if (bytes > 0) {
    const key = keys.find(has) ?? 'kind';
    report(['health', key], wrongKind(['exchange'], health.kind), ['protocol'], ...needs);
  }
}

/** What only a probe that logs in can make use of. */
function checkKind(health: HealthConfig, has: Has, report: Report): void {
  const { kind, user } = health;
  const keys = Object.keys(LOGIN_KEYS) as (keyof typeof LOGIN_KEYS)[];
  for (const key of keys.filter(one => has(one) && health[one] !== LOGIN_KEYS[one])) {
    const kinds = key === 'database' ? ['postgres'] : ['redis', 'postgres'];
    if (!kinds.includes(kind)) {
      report(['health', key], wrongKind(kinds, kind), ['protocol'], ['health', 'kind']);
    } else if (kind === 'postgres' && user === undefined) {
      const message =
        'expected user beside this key: without one, the probe only looks whether the server answers';
      report(['health', key], message, ['health', 'kind'], ['health', 'user']);
    }
  }
}

function checkLogin({ kind, user, password, password_file, tls }: HealthConfig, report: Report): void {
  const at = ['health', 'kind'];
  if (kind === 'redis' && user !== undefined && password === undefined && password_file === undefined) {
    report(['health', 'user'], 'expected password or password_file beside user', at);
  }
  if (tls !== false && (tls.cert_file === undefined) !== (tls.key_file === undefined)) {
    report(['health', 'tls'], 'expected cert_file and key_file together, got one of them', at);
  }
}

function checkRole({ role, max_lag, panic_threshold }: HealthConfig, has: Has, report: Report): void {
  const at = ['health', 'role'];
  if (role === 'primary' && max_lag > 0 && has('max_lag')) {
    report(['health', 'max_lag'], 'expected a role that takes replicas beside max_lag, got "primary"', at);
  }
  if (role !== 'any' && panic_threshold > 0) {
    const message = `expected 0 with role = ${quote(role)}: in panic, servers of the wrong role would get connections`;
    report(['health', 'panic_threshold'], message, at);
  }
}

function wrongKind(wanted: readonly string[], found: string): string {
  const words = wanted.length === 1 ? quote(wanted[0]!) : `one of ${listOf(wanted)}`;
  return `expected health.kind = ${words} with this key, got ${quote(found)}`;
}

import { z } from 'zod';
import { bytes, choice, duration, hexBytes, number, path, secret, text } from './fields.js';
import { tlsField } from './tls.js';

const LOGIN_NAME = /^[\x20-\x7e\u00a0-\uffff]{1,128}$/;
const LOGIN_WORDS = 'a name of up to 128 characters';

const written = z.strictObject({
  kind: choice(
    ['tcp', 'exchange', 'redis', 'postgres', 'none'],
    'Active probe: tcp connects, exchange sends and expects bytes, redis and postgres speak the protocol of these servers, none is off. Default: tcp for TCP, none for UDP.',
  ).optional(),
  interval: duration('Between two probes of a backend.', 10, 86_400_000).prefault('2s'),
  fast_interval: duration(
    'The same while the service has no usable backend (of up to 32); 0 = a tenth of interval, but at least 100ms. Never more than interval.',
    0,
    86_400_000,
  ).prefault('0s'),
  timeout: duration('A probe that takes longer has failed.', 1, 3_600_000).prefault('1s'),
  jitter: number(
    0,
    1,
    'Random part of the interval, so that probes do not come in step; 0.1 = ±10 %.',
    true,
  ).prefault(0.1),
  port: number(0, 65535, "Probe another port; 0 = the backend's own.").prefault(0),
  send: bytes('exchange: text to send (UTF-8).').optional(),
  send_hex: hexBytes('exchange: bytes to send, in hexadecimal, instead of send.').optional(),
  expect: bytes('exchange: text that the answer must contain.').optional(),
  expect_hex: hexBytes(
    'exchange: bytes that the answer must contain, in hexadecimal, instead of expect.',
  ).optional(),
  user: text(
    LOGIN_NAME,
    LOGIN_WORDS,
    'redis, postgres: user to log in as. postgres needs one to tell roles.',
  ).optional(),
  password: secret('redis, postgres: password of the user; best taken from the environment.').optional(),
  password_file: path(
    "redis, postgres: file with the password instead, relative to this file's folder; read at each login.",
  ).optional(),
  database: text(LOGIN_NAME, LOGIN_WORDS, 'postgres: database to log in to.').prefault('postgres'),
  tls: tlsField.prefault(false),
  fall: number(1, 1000, 'Consecutive failures that mark a backend down.').prefault(3),
  rise: number(1, 1000, 'Consecutive successes that mark it up again.').prefault(2),
  role: choice(
    ['any', 'primary', 'replica', 'prefer-replica'],
    'redis, postgres: which servers get connections; prefer-replica takes the primary only when no replica is left.',
  ).prefault('any'),
  max_lag: duration(
    'redis, postgres: a replica further behind its primary counts as failed; 0 = however far.',
  ).prefault('0s'),
  split_brain: choice(
    ['newest', 'refuse', 'all'],
    'redis, postgres: which of several primaries is taken: the one promoted last, none, or all.',
  ).prefault('newest'),
  passive_failures: number(
    0,
    1000,
    'Consecutive connect failures of real traffic that mark a backend down at once; 0 = off.',
  ).prefault(3),
  on_down: choice(
    ['keep', 'close'],
    'What happens to the open connections of a backend that goes down.',
  ).prefault('keep'),
  slow_start: duration("Ramp a recovered backend's weight up over this time; 0 = at once.").prefault('0s'),
  panic_threshold: number(
    0,
    100,
    'Percentage of usable backends below which health is ignored; 0 = never.',
  ).prefault(0),
});

/**
 * `[services.X.health]` and `[groups.X.health]` as the file has them, bytes under one name however they were written.
 * First what is asked and when, then what is made of the answers.
 */
export const healthTable = written.transform(({ send, send_hex, expect, expect_hex, ...rest }) => {
  const none = new Uint8Array(0);
  return { ...rest, send: send ?? send_hex ?? none, expect: expect ?? expect_hex ?? none };
});

/** A group's: which probe is the default is for the services to say. */
export type SharedHealth = z.output<typeof healthTable>;
export type Health = SharedHealth & { readonly kind: NonNullable<SharedHealth['kind']> };

/** With the probe that a service of this protocol has by default. */
export function withKind({ kind, ...rest }: SharedHealth, protocol: 'tcp' | 'udp'): Health {
  return { kind: kind ?? (protocol === 'udp' ? 'none' : 'tcp'), ...rest };
}

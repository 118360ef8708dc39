import type { Random } from './random.js';

/** Something that takes untrusted bytes. */
export interface Target {
  /** Words of its language, to make inputs of. */
  readonly words: readonly string[];
  /** Inputs to begin with, beside the corpus. */
  readonly seeds: readonly (Uint8Array | string)[];
  /** A fresh input by the rules of the language, or nearly so. */
  generate?(random: Random): Uint8Array | string;
  /** Give it this input. Throws or rejects when something does not hold that should. */
  run(input: Uint8Array): void | Promise<void>;
  /** A fresh start, now and then: forget what was gathered from inputs. */
  reset?(): Promise<void>;
  close?(): Promise<void>;
}

/** What is fuzzed, by name. */
export const TARGETS: Readonly<Record<string, () => Promise<Target>>> = {
  proxy: async () => (await import('./targets/proxy.js')).proxyTarget(),
  config: async () => (await import('./targets/config.js')).configTarget(),
  flags: async () => (await import('./targets/flags.js')).flagsTarget(),
  admin: async () => (await import('./targets/admin.js')).adminTarget(),
  dns: async () => (await import('./targets/dns.js')).dnsTarget(),
  redis: async () => (await import('./targets/redis.js')).redisTarget(),
  postgres: async () => (await import('./targets/postgres.js')).postgresTarget(),
};

/** Bytes as text of the same length, and back. */
export function bytesOf(input: Uint8Array | string): Uint8Array {
  return typeof input === 'string' ? Buffer.from(input, 'latin1') : input;
}

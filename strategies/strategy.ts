/**
 * What a strategy is. A strategy decides which backend gets the next connection, and nothing else: it knows no
 * sockets, no clock and no health. It is also what users write (`strategy = "./mine.js"`).
 */

import type { StrategyMemory } from './memory.js';

/** The connection or UDP flow to place: its client address as numbers. `address` builds text and is for slow paths. */
export interface Flow {
  /** 4, 6, or 0 for a unix socket. */
  readonly family: 0 | 4 | 6;
  /** IPv6 words, most significant first; an IPv4 address is in a3 and the rest are 0. Unsigned 32 bit. */
  readonly a0: number;
  readonly a1: number;
  readonly a2: number;
  readonly a3: number;
  readonly port: number;
  readonly address: string;
}

/** A backend that may be picked now. The same object for as long as the backend lives. */
export interface Candidate {
  /** The id that people see: its name, or `host:port`. */
  readonly id: string;
  /** What consistent hashing hashes: the address, so that every instance with the same list agrees. */
  readonly key: string;
  /** Effective weight (slow start included), > 0. It changes only together with a `rebuild`. */
  readonly weight: number;
  /** Connections or flows open or being dialled now, over all threads. Live. */
  readonly active: number;
  /** Moving average of the response time in milliseconds, 0 while unknown. Live. */
  readonly latency: number;
  /** A number that is its own for as long as it lives, the same in all threads: above 0 and small, fit for an index. */
  readonly slot: number;
  /**
   * Where the live numbers are kept: `active` is `counters[slot]` and `latency` is `latencies[slot]`, usually in memory
   * that all threads share. Lets a strategy that looks at every candidate read arrays instead of calling getters.
   * Optional, and read only.
   */
  readonly counters?: Int32Array;
  readonly latencies?: Float64Array;
}

/**
 * Refuses candidates that this connection must not get: already tried, or at their connection limit. It only answers:
 * a strategy may ask about a candidate and then return another one, or ask twice.
 */
export type Accept = (candidate: Candidate) => boolean;

export interface Strategy {
  /**
   * True where both methods change memory that other threads change too (`StrategyContext.memory`): then whoever calls them
   * lets one thread in at a time, and a pick is over when its place in `active` is taken.
   */
  readonly exclusive?: boolean;
  /**
   * Take a new list of candidates: called when the set, a weight or a health state changed, never per connection.
   * May be slow; must keep its position, so that a health flap does not restart a rotation at the first backend.
   */
  rebuild(candidates: readonly Candidate[]): void;
  /**
   * The backend for this flow, or undefined when `accept` refuses all. Hot path: no sort, no filter, no allocation.
   * Must only return a candidate of the latest `rebuild` for which `accept` returned true.
   */
  pick(flow: Flow, accept: Accept): Candidate | undefined;
}

/** What a factory gets. */
export interface StrategyContext {
  /** The service's `strategy` table without `kind`; validated by the built-in strategies' own schemas. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Uniform in [0, 1); tests pass a seeded one. */
  readonly random: () => number;
  /** What the strategy's copies in other threads remember too; absent where there is one thread only. */
  readonly memory?: StrategyMemory;
}

/** Default export of a user's module, and the shape of each entry in the registry. */
export type StrategyFactory = (context: StrategyContext) => Strategy;

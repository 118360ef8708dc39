/** The registry of built-in strategies. `load.ts` adds the user's own modules to it. */
import type { BuiltIn } from './builtin.js';
import { first } from './first.js';
import { ipHash } from './ip-hash.js';
import { leastConnections } from './least-connections.js';
import { leastResponseTime } from './least-response-time.js';
import { maglev } from './maglev.js';
import { random } from './random.js';
import { roundRobin } from './round-robin.js';
import { twoChoices } from './two-choices.js';
import { weightedRoundRobin } from './weighted-round-robin.js';

export type StrategyName =
  | 'round-robin'
  | 'weighted-round-robin'
  | 'least-connections'
  | 'least-response-time'
  | 'ip-hash'
  | 'random'
  | 'two-choices'
  | 'maglev'
  | 'first';

/** By name; asking for any other text gives undefined. */
export const strategies: Readonly<Record<StrategyName, BuiltIn> & Record<string, BuiltIn>> = {
  'round-robin': roundRobin,
  'weighted-round-robin': weightedRoundRobin,
  'least-connections': leastConnections,
  'least-response-time': leastResponseTime,
  'ip-hash': ipHash,
  random,
  'two-choices': twoChoices,
  maglev,
  first,
};

/** Every built-in name, in the order of the documentation. */
export const STRATEGY_NAMES = Object.keys(strategies) as readonly StrategyName[];

export function isStrategyName(name: string): name is StrategyName {
  return Object.hasOwn(strategies, name);
}

export type { BuiltIn } from './builtin.js';
export type {
  Accept,
  Candidate,
  Flow,
  Strategy,
  StrategyContext,
  StrategyFactory,
} from './strategy.js';

import type { StrategyMemory } from '../../strategies/memory.js';
import type { Strategy } from '../../strategies/strategy.js';
import type { ServicePlan } from '../pool/plan.js';

/** Makes the two strategies of a service: one for its primaries, one for its backups. Rejects with LB4_STRATEGY. */
export type StrategyLoader = (
  plan: ServicePlan['strategy'],
  memories: readonly [primary: StrategyMemory, backup: StrategyMemory],
) => Promise<readonly [primary: Strategy, backup: Strategy]>;

import { loadStrategyFactory, type StrategyFault } from '../../strategies/load.js';
import type { StrategyLoader } from '../flow/loader.js';

/** Loads strategies by name or path; `onFault` hears when a user's module misbehaves. */
export function strategyLoader(onFault: (fault: StrategyFault) => void): StrategyLoader {
  return async ({ kind, options }, [primary, backup]) => {
    // Paths are absolute by now: the configuration knows which folder they start from.
    const factory = await loadStrategyFactory(kind, '/', onFault);
    const context = { options, random: Math.random };
    return [factory({ ...context, memory: primary }), factory({ ...context, memory: backup })];
  };
}

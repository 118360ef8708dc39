import type { StrategyContext, StrategyFactory } from './strategy.js';

/**
 * One entry of the registry: what a strategy is made by, and one line for people. What its options may be is in
 * options.ts: the configuration checks them, and data-plane threads need not load what checks.
 */
export interface BuiltIn {
  readonly factory: StrategyFactory;
  readonly summary: string;
}

/** The options of `context`, and the defaults of those that are not there. */
export function withDefaults<Options extends object>(
  defaults: Options,
  { options }: StrategyContext,
): Options {
  return { ...defaults, ...options };
}

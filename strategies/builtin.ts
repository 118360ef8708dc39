import { z } from 'zod';
import { Lb4Error } from '../src/errors.js';
import type { StrategyContext, StrategyFactory } from './strategy.js';

/** One entry of the registry: what a strategy is made by, which options it takes, and one line for people. */
export interface BuiltIn<Options extends z.ZodObject = z.ZodObject> {
  readonly factory: StrategyFactory;
  /** Strict: an unknown key is an error. `kind` is not part of it. */
  readonly options: Options;
  readonly summary: string;
}

/** For strategies without options. */
export const noOptions = z.strictObject({});

/**
 * The options of `context` with the schema's defaults filled in. The configuration checked them before, so a fault
 * here comes from a program that calls a factory itself. Throws Lb4Error LB4_STRATEGY.
 */
export function parseOptions<Schema extends z.ZodObject>(schema: Schema, context: StrategyContext) {
  const result = schema.safeParse(context.options);
  if (!result.success) {
    const faults = result.error.issues.map(issue => `${issue.path.join('.') || 'options'}: ${issue.message}`);
    throw new Lb4Error('LB4_STRATEGY', `strategy options do not hold: ${faults.join('; ')}`, {
      cause: result.error,
    });
  }
  return result.data;
}

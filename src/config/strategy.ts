import { z } from 'zod';
import { isStrategyName, STRATEGY_NAMES, strategies } from '../../strategies/index.js';
import { isUserStrategy } from '../../strategies/load.js';
import { STRATEGY_OPTIONS } from '../../strategies/options.js';
import { expected, forward, jsonSchemaOf, textOf } from './fields.js';
import { didYouMean, listOf } from './text.js';

/** A strategy with its options: `{ kind: 'ip-hash', prefix4: 24, … }`, every option of a built-in one present. */
export interface StrategyConfig {
  readonly kind: string;
  readonly [option: string]: unknown;
}
export type StrategyInput = string | StrategyConfig;

export const DEFAULT_STRATEGY = 'least-connections';

/** The options that a strategy has when only its name is given; none for a user's module. */
export function strategyDefaults(kind: string): Readonly<Record<string, unknown>> {
  return isStrategyName(kind) ? (STRATEGY_OPTIONS[kind].safeParse({}).data ?? {}) : {};
}

/** A built-in strategy's name, alone or as `kind` of a table with its options, or the path of a user's module. */
export const strategyField: z.ZodType<StrategyConfig, StrategyInput> = z
  .unknown()
  .transform((value, context): StrategyConfig => {
    const table = typeof value === 'string' ? { kind: value } : value;
    if (typeof table !== 'object' || table === null || Array.isArray(table) || table instanceof Date) {
      const message = expected("a strategy's name, or a table with a kind", value).message;
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    }
    const { kind, ...options } = table as Record<string, unknown>;
    const at = typeof value === 'string' ? [] : ['kind'];
    if (typeof kind !== 'string' || !(isStrategyName(kind) || isUserStrategy(kind))) {
      const hint = typeof kind === 'string' ? didYouMean(kind, STRATEGY_NAMES) : '';
      const message = expected(
        `one of ${listOf(STRATEGY_NAMES)} or a module's path "./x.js"`,
        kind,
        hint,
      ).message;
      context.addIssue({ code: 'custom', message, path: at });
      return z.NEVER;
    }
    if (!isStrategyName(kind)) return { ...options, kind: textOf(kind, "a module's path") };
    const result = STRATEGY_OPTIONS[kind].safeParse(options);
    if (result.success) return { ...result.data, kind };
    forward(context, result.error);
    return z.NEVER;
  })
  .meta({
    description: 'How a backend is picked: a name, or a table with `kind` and options (docs/strategies.md).',
    anyOf: [
      { type: 'string', enum: STRATEGY_NAMES },
      { type: 'string', pattern: '^(\\.\\.?)?/|\\.(js|mjs|cjs|ts|mts)$', description: "a user's module" },
      ...STRATEGY_NAMES.map(kind => kindSchema(kind, STRATEGY_OPTIONS[kind], strategies[kind].summary)),
      {
        type: 'object',
        required: ['kind'],
        properties: { kind: { type: 'string', pattern: '^(\\.\\.?)?/|\\.(js|mjs|cjs|ts|mts)$' } },
      },
    ],
  }) as z.ZodType<StrategyConfig, unknown> as z.ZodType<StrategyConfig, StrategyInput>;

function kindSchema(kind: string, options: z.ZodType, summary: string): Record<string, unknown> {
  const schema = jsonSchemaOf(options);
  return {
    ...schema,
    description: summary,
    properties: { kind: { const: kind }, ...schema.properties },
    required: ['kind', ...(schema.required ?? [])],
  };
}

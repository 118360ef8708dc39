import { z } from 'zod';
import { PREFIX_DEFAULTS } from './hash.js';
import type { StrategyName } from './index.js';
import { IP_HASH_DEFAULTS } from './ip-hash.js';

const none = z.strictObject({});

/** For strategies that hash the client address. */
const prefixes = z.strictObject({
  prefix4: z
    .int()
    .min(0)
    .max(32)
    .default(PREFIX_DEFAULTS.prefix4)
    .describe('IPv4 clients that share this many leading bits go to the same backend'),
  prefix6: z
    .int()
    .min(0)
    .max(128)
    .default(PREFIX_DEFAULTS.prefix6)
    .describe('IPv6 clients that share this many leading bits go to the same backend'),
});

const ipHash = prefixes.extend({
  load_factor: z
    .number()
    .min(0)
    .max(10)
    .refine(value => value === 0 || value > 1, 'expected 0 (off) or a number above 1, up to 10')
    .default(IP_HASH_DEFAULTS.load_factor)
    .describe('no backend may have more than this many times its fair share of connections; 0 = no bound'),
});

/** Which options each built-in strategy takes. Strict: an unknown key is an error. `kind` is not part of them. */
export const STRATEGY_OPTIONS: Readonly<Record<StrategyName, z.ZodObject>> = {
  'round-robin': none,
  'weighted-round-robin': none,
  'least-connections': none,
  'least-response-time': none,
  'ip-hash': ipHash,
  random: none,
  'two-choices': none,
  maglev: prefixes,
  first: none,
};

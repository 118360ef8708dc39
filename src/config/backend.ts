import { z } from 'zod';
import { formatAddress, parseTarget, type Target } from '../address.js';
import { ConfigError, Lb4Error } from '../errors.js';
import { expected, flag, forward, jsonSchemaOf, number, parsed, text, textOf } from './fields.js';
import { didYouMean, listOf, pathText, quote } from './text.js';

/** Backend names, service names and the instance's name share one alphabet. */
const BACKEND_NAME = /^[A-Za-z0-9_.:-]{1,128}$/;
const MAX_INT32 = 2_147_483_647;

const targetForms = 'a backend address "host:port", "[v6]:port", "unix:/path" or "srv:_service._proto.name"';

export const MAX_WEIGHT = 65_535;

export const weightField = number(
  0,
  MAX_WEIGHT,
  'Share of the traffic relative to the others; 0 = none for now (open connections stay).',
);

/** The keys of a backend. The string form names the same. */
export const backendKeys = {
  address: parsed<Target, string>(
    {
      description: 'Where it is: host:port, [v6]:port, unix:/path or srv:_service._proto.name.',
      type: 'string',
    },
    value => parseTarget(textOf(value, targetForms)),
  ),
  name: text(
    BACKEND_NAME,
    'a name of up to 128 letters, digits and . _ : -',
    'The id that people see; otherwise the address is.',
  ).optional(),
  weight: weightField.prefault(1),
  backup: flag('Gets connections only when no primary is left.').prefault(false),
  max_connections: number(0, MAX_INT32, 'Most open connections; 0 = no limit.').prefault(0),
  disabled: flag('Starts in maintenance: gets nothing until somebody makes it ready.').prefault(false),
};

/** A backend as a table. */
const backendTable = z.strictObject(backendKeys).transform(withId);

/** Its name, or else the address, is how a backend is known. */
export function withId<T extends { name?: string; address: Target }>(backend: T): T & { id: string } {
  return { id: backend.name ?? formatAddress(backend.address), ...backend };
}

export type BackendConfig = Readonly<z.output<typeof backendTable>>;
export type BackendInput = string | z.input<typeof backendTable>;

const WORDS = ['weight', 'name', 'max_connections', 'backup', 'disabled'] as const;

/** `10.0.0.2:5432 weight=2 backup` as the table it stands for. Throws Lb4Error LB4_CONFIG on a word it does not know. */
export function backendWords(line: string): Record<string, unknown> {
  const [address = '', ...words] = line.trim().split(/\s+/);
  const table: Record<string, unknown> = { address };
  for (const word of words) {
    const equals = word.indexOf('=');
    const key = equals === -1 ? word : word.slice(0, equals);
    const value = equals === -1 ? undefined : word.slice(equals + 1);
    if (!WORDS.some(known => known === key)) {
      throw new Lb4Error(
        'LB4_CONFIG',
        `expected ${listOf(WORDS)} after the address, got ${quote(word)}${didYouMean(key, WORDS)}`,
      );
    }
    if (Object.hasOwn(table, key)) throw new Lb4Error('LB4_CONFIG', `${quote(key)} is there twice`);
    table[key] = wordValue(key, value);
  }
  return table;
}

function wordValue(key: string, value: string | undefined): unknown {
  if (key === 'backup' || key === 'disabled') {
    if (value === undefined || value === 'true') return true;
    if (value === 'false') return false;
    throw new Lb4Error(
      'LB4_CONFIG',
      `expected the word ${quote(key)} alone, got ${quote(`${key}=${value}`)}`,
    );
  }
  if (value === undefined)
    throw new Lb4Error('LB4_CONFIG', `expected ${quote(`${key}=…`)}, got ${quote(key)}`);
  if (key === 'name') return value;
  if (!/^\d{1,10}$/.test(value)) throw expected(`a whole number for ${quote(key)}`, value);
  return Number(value);
}

/** A backend in either form. */
export const backendField: z.ZodType<BackendConfig, BackendInput> = z
  .unknown()
  .transform((value, context): BackendConfig => {
    let table = value;
    if (typeof value === 'string') {
      try {
        table = backendWords(textOf(value, targetForms));
      } catch (error) {
        if (!(error instanceof Lb4Error)) throw error;
        context.addIssue({ code: 'custom', message: error.message });
        return z.NEVER;
      }
    } else if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      context.addIssue({
        code: 'custom',
        message: expected('a backend: a string or a table', value).message,
      });
      return z.NEVER;
    }
    const result = backendTable.safeParse(table);
    if (result.success) return result.data;
    // A string has no inner positions: its faults are reported at the string itself.
    forward(context, result.error, typeof value === 'string');
    return z.NEVER;
  })
  .meta({
    anyOf: [
      { type: 'string', description: 'address [weight=N] [name=X] [max_connections=N] [backup] [disabled]' },
      jsonSchemaOf(backendTable),
    ],
  }) as z.ZodType<BackendConfig, unknown> as z.ZodType<BackendConfig, BackendInput>;

/** A backend in either form, outside of a configuration. Throws ConfigError. */
export function parseBackend(input: BackendInput): BackendConfig {
  const result = backendField.safeParse(input);
  if (result.success) return Object.freeze(result.data);
  throw new ConfigError(
    result.error.issues.map(issue => ({
      severity: 'error',
      path: pathText(issue.path),
      source: 'backend',
      message: issue.code === 'unrecognized_keys' ? `unknown key ${listOf(issue.keys)}` : issue.message,
    })),
  );
}

import { z } from 'zod';
import { CidrList } from '../address.js';
import { formatDuration, MAX_DURATION_MS, parseDuration } from '../duration.js';
import { Lb4Error } from '../errors.js';
import { parseRate } from './rate.js';
import { Secret } from './secret.js';
import { didYouMean, listOf, show } from './text.js';

/**
 * The kinds of value a key may have. Each is a zod schema that takes what the file says and gives what the program
 * uses (milliseconds, bytes, numbers), and carries its own JSON Schema, so that editors, docs and parser agree.
 */
type Json = Record<string, unknown>;

/** Of the instance, of services and of groups. */
export const NAME = /^[A-Za-z0-9_.-]{1,64}$/;
export const NAME_WORDS = 'a name of up to 64 letters, digits and . _ -';

/** No key needs more; longer text is refused before it is parsed. */
const MAX_TEXT = 4096;

/** The error every field parser throws. */
export function expected(what: string, value: unknown, hint = ''): Lb4Error {
  return new Lb4Error('LB4_CONFIG', `expected ${what}, got ${show(value)}${hint}`);
}

/** A field whose value goes through `parse`; a Lb4Error thrown there becomes an issue at this key. */
export function parsed<Out, In>(json: Json, parse: (value: unknown) => Out): z.ZodType<Out, In> {
  const schema = z.unknown().transform((value, context): Out => {
    try {
      return parse(value);
    } catch (error) {
      if (!(error instanceof Lb4Error)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
      return z.NEVER;
    }
  });
  return schema.meta(json) as z.ZodType<Out, unknown> as z.ZodType<Out, In>;
}

/** What may be written, as JSON Schema (draft 7, which TOML editors know), to stand inside another. */
export function jsonSchemaOf(schema: z.ZodType) {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io: 'input', target: 'draft-07' });
  return json;
}

/** Pass the faults of a schema used inside a transform on to the outer one; `whole` reports them at the outer value. */
export function forward(
  context: { issues: z.core.$ZodRawIssue[] },
  error: z.core.$ZodError,
  whole = false,
): void {
  for (const issue of error.issues) {
    context.issues.push({ ...issue, input: undefined, path: whole ? [] : [...issue.path] });
  }
}

/** `value` as a string that is not absurdly long. */
export function textOf(value: unknown, what: string): string {
  if (typeof value !== 'string') throw expected(what, value);
  if (value.length > MAX_TEXT)
    throw new Lb4Error('LB4_CONFIG', `expected ${what}, got ${value.length} characters`);
  return value;
}

/** One of a few words. */
export function choice<const T extends string>(words: readonly T[], description: string): z.ZodType<T, T> {
  return parsed({ description, type: 'string', enum: words }, value => {
    const found = words.find(word => word === value);
    if (found !== undefined) return found;
    const hint = typeof value === 'string' ? didYouMean(value, words) : '';
    throw expected(words.length === 1 ? listOf(words) : `one of ${listOf(words)}`, value, hint);
  });
}

/** A number within limits, whole unless `fraction`. */
export function number(min: number, max: number, description: string, fraction = false) {
  const json = { description, type: fraction ? 'number' : 'integer', minimum: min, maximum: max };
  return parsed<number, number>(json, value => {
    if (typeof value === 'number' && value >= min && value <= max && (fraction || Number.isInteger(value))) {
      return value;
    }
    throw expected(`a ${fraction ? '' : 'whole '}number from ${min} to ${max}`, value);
  });
}

export function flag(description: string): z.ZodType<boolean, boolean> {
  return parsed({ description, type: 'boolean' }, value => {
    if (typeof value !== 'boolean') throw expected('true or false', value);
    return value;
  });
}

/** Text into milliseconds; the number 0 is taken as "0". */
export function duration(description: string, min = 0, max = MAX_DURATION_MS) {
  const limits = min === 0 ? '' : ` From ${formatDuration(min)} to ${formatDuration(max)}.`;
  const json = {
    $comment: 'duration',
    description: description + limits,
    type: ['string', 'integer'],
    pattern: '^\\s*(0|\\d+(\\.\\d+)?(ms|s|m|h|d))\\s*$',
    maximum: 0,
    minimum: 0,
    examples: ['500ms', '5s', '2m', '1h'],
  };
  return parsed<number, string | 0>(json, value => {
    const ms =
      value === 0 ? 0 : parseDuration(textOf(value, 'a duration such as "500ms", "5s", "2m" or "0"'));
    if (ms >= min && ms <= max) return ms;
    throw expected(`a duration from ${formatDuration(min)} to ${formatDuration(max)}`, value);
  });
}

/** Text into events per second; the number 0 is taken as "0". */
export function rate(description: string) {
  const json = {
    $comment: 'rate',
    description: `${description} From 1/h to 1000000/s.`,
    type: ['string', 'integer'],
    pattern: '^\\s*(0|\\d+(\\.\\d+)?/[smh])\\s*$',
    maximum: 0,
    minimum: 0,
    examples: ['100/s', '30/m'],
  };
  return parsed<number, string | 0>(json, value =>
    value === 0 ? 0 : parseRate(textOf(value, 'a rate such as "100/s", "30/m" or "0"')),
  );
}

/** Text that must match; `what` says it in words. */
export function text(pattern: RegExp, what: string, description: string) {
  return parsed<string, string>({ description, type: 'string', pattern: pattern.source }, value => {
    const found = textOf(value, what);
    if (!pattern.test(found)) throw expected(what, found);
    return found;
  });
}

/** The path of a file. */
export function path(description: string) {
  return text(/^[\x20-\x7e\u00a0-\uffff]+$/, 'the path of a file, without control characters', description);
}

/** Text that is kept to itself: not even an error shows what was found. */
export function secret(description: string) {
  return parsed<Secret, string>({ description, type: 'string' }, value => {
    if (typeof value === 'string' && value !== '' && value.length <= MAX_TEXT) return new Secret(value);
    const found =
      typeof value !== 'string' ? 'something else' : value === '' ? 'an empty one' : 'a longer one';
    throw new Lb4Error('LB4_CONFIG', `expected text of at most ${MAX_TEXT} characters, got ${found}`);
  });
}

/** A list; every element is checked, each fault is reported at its own place. */
export function list<Out, In>(element: z.ZodType<Out, In>, description: string) {
  return z.array(element).meta({ description });
}

/** Networks as text, each checked to be one. */
export function networks(description: string) {
  const json = { type: 'string', examples: ['10.0.0.0/8', '2001:db8::/32', '192.0.2.7'] };
  const network = parsed<string, string>(json, value => {
    const found = textOf(value, 'a network such as "10.0.0.0/8"');
    new CidrList([found]);
    return found;
  });
  return list(network, description);
}

/** Text into the bytes of its UTF-8 form. */
export function bytes(description: string) {
  return parsed<Uint8Array, string>({ description, type: 'string' }, value =>
    Uint8Array.from(Buffer.from(textOf(value, 'text'), 'utf8')),
  );
}

/** Pairs of hexadecimal digits, spaces between them as you like, into bytes. */
export function hexBytes(description: string) {
  const what = 'pairs of hexadecimal digits such as "00 ff 10"';
  const pattern = /^\s*(?:[0-9a-fA-F]{2}\s*)*$/;
  return parsed<Uint8Array, string>({ description, type: 'string', pattern: pattern.source }, value => {
    const found = textOf(value, what);
    if (!pattern.test(found)) throw expected(what, found);
    return Uint8Array.from(Buffer.from(found.replace(/\s+/g, ''), 'hex'));
  });
}

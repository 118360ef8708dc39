import type { z } from 'zod';
import { jsonSchemaOf, NAME, NAME_WORDS } from './fields.js';
import { type Fault, valueAt } from './prepare.js';
import { configSchema } from './schema.js';
import { didYouMean, escapeText, quote, show } from './text.js';

/** The parts of a JSON Schema that say which keys a table may have. */
interface Shape {
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly additionalProperties?: boolean | Shape;
  readonly items?: Shape;
  readonly anyOf?: readonly Shape[];
  readonly const?: unknown;
  readonly type?: unknown;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
}

let shape: Shape | undefined;

/** What the schema found, in the words of lb4: what was expected, what was found. One fault a key. */
export function schemaFaults(error: z.core.$ZodError, tree: unknown): Fault[] {
  return error.issues.flatMap(issue => {
    const { path } = issue;
    if (issue.code === 'unrecognized_keys') {
      const known = knownKeys(path, tree);
      return issue.keys.map((key): Fault => {
        const hint = didYouMean(key, known) || placeOf(key);
        return { path: [...path, key], at: 'key', message: `unknown key ${quote(key)}${hint}` };
      });
    }
    const found = valueAt(tree, path);
    const range = rangeWords(path, tree);
    if (issue.code !== 'custom' && range !== undefined) {
      return [{ path, at: 'value', message: `expected ${range}, got ${show(found)}` }];
    }
    if (issue.code === 'invalid_type') {
      const named = `tables [${String(path[0])}.NAME]`;
      const what = { object: 'a table', record: named, array: 'a list' }[issue.expected as string];
      return [
        { path, at: 'value', message: `expected ${what ?? `a ${issue.expected}`}, got ${show(found)}` },
      ];
    }
    return [{ path, at: 'value', message: escapeText(issue.message) }];
  });
}

/** Services and groups whose name is not one. Apart from the schema, which would not look into such a table. */
export function nameFaults(tree: unknown): Fault[] {
  return ['groups', 'services'].flatMap(root => {
    const tables = valueAt(tree, [root]);
    if (typeof tables !== 'object' || tables === null || Array.isArray(tables)) return [];
    const wrong = Object.keys(tables).filter(name => !NAME.test(name));
    return wrong.map((name): Fault => {
      return { path: [root, name], at: 'key', message: `expected ${NAME_WORDS}, got ${quote(name)}` };
    });
  });
}

/** Every key the schema allows in the table at `path`. */
function knownKeys(path: readonly PropertyKey[], tree: unknown): string[] {
  const table = valueAt(tree, path);
  return shapesAt(path, tree)
    .flatMap(s => branches(s, table))
    .flatMap(s => Object.keys(s.properties ?? {}));
}

/** `a whole number from 0 to 32` where the schema wants a number. */
function rangeWords(path: readonly PropertyKey[], tree: unknown): string | undefined {
  const at = shapesAt(path, tree).find(s => s.type === 'integer' || s.type === 'number');
  if (at === undefined) return undefined;
  const what = at.type === 'integer' ? 'a whole number' : 'a number';
  const low = at.exclusiveMinimum === undefined ? `from ${at.minimum}` : `above ${at.exclusiveMinimum}`;
  if (at.maximum === undefined)
    return at.minimum === undefined && low.startsWith('from') ? what : `${what} ${low}`;
  return `${what} ${low} to ${at.maximum}`;
}

/** What the schema says about the value at `path`. */
function shapesAt(path: readonly PropertyKey[], tree: unknown): Shape[] {
  let shapes = [rootShape()];
  for (const [depth, step] of path.entries()) {
    const parent = valueAt(tree, path.slice(0, depth));
    shapes = shapes.flatMap(s => branches(s, parent)).flatMap(s => child(s, step));
  }
  return shapes;
}

function rootShape(): Shape {
  shape ??= jsonSchemaOf(configSchema) as Shape;
  return shape;
}

/** The alternatives that `value` may be; a table with a `kind` is only the one of that kind. */
function branches(of: Shape, value: unknown): Shape[] {
  if (of.anyOf === undefined) return [of];
  return of.anyOf.filter(branch => {
    const kind = branch.properties?.kind;
    return kind === undefined || kind.const === valueAt(value, ['kind']);
  });
}

function child(of: Shape, step: PropertyKey): Shape[] {
  if (typeof step === 'number') return of.items === undefined ? [] : [of.items];
  const property = of.properties?.[String(step)];
  if (property !== undefined) return [property];
  return typeof of.additionalProperties === 'object' ? [of.additionalProperties] : [];
}

/** A key that exists in another table: say where. */
function placeOf(key: string): string {
  const service = rootShape().properties?.services?.additionalProperties;
  if (typeof service !== 'object') return '';
  for (const [prefix, tables] of [
    ['', rootShape().properties],
    ['services.NAME.', service.properties],
  ] as const) {
    for (const [name, table] of Object.entries(tables ?? {})) {
      if (name === key && prefix !== '') return ` (it belongs to [services.NAME])`;
      if (table.properties !== undefined && Object.hasOwn(table.properties, key)) {
        return ` (it belongs to [${prefix}${name}])`;
      }
    }
  }
  return '';
}

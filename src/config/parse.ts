import { ConfigError, type ConfigIssue } from '../errors.js';
import { type CrossFault, crossFaults } from './check.js';
import { finish } from './finish.js';
import { nameFaults, schemaFaults } from './messages.js';
import type { Place } from './positions.js';
import { type Env, type Fault, prepare, related } from './prepare.js';
import { type Config, type ConfigInput, configSchema } from './schema.js';
import { pathText } from './text.js';

/** Turns a path into what an issue says about its place: a file with line and column, or a flag. */
export type PlaceOf = (
  path: readonly PropertyKey[],
  at: 'key' | 'value',
) => Partial<Place> & { readonly source: string; readonly path: string };

export interface ParseOptions {
  /** Where the object came from, for messages: a name, or a function that knows each key's place. */
  readonly source?: string | PlaceOf;
  /** Replace `${NAME}` in strings from here; without it strings are taken as they are. */
  readonly env?: Env;
  /** Folder that relative paths of strategy modules and of the token file start from. Default: the working directory. */
  readonly base?: string;
}

/**
 * A plain object of the file's shape into a Config: defaults filled in, parsed, checked as a whole, frozen.
 * Throws ConfigError with every fault at once.
 */
export function parseConfigObject(raw: ConfigInput, options?: ParseOptions): Config;
export function parseConfigObject(raw: unknown, options?: ParseOptions): Config;
export function parseConfigObject(raw: unknown, options: ParseOptions = {}): Config {
  const base = options.base ?? process.cwd();
  const { tree, faults } = prepare(raw, options.env);
  const names = nameFaults(tree);
  const result = configSchema.safeParse(tree);
  if (result.success) {
    faults.push(...names);
    const config = finish(result.data, tree, base);
    faults.push(...unlessRelated(crossFaults(config, tree), faults));
    if (faults.length === 0) return config;
  } else {
    const found = schemaFaults(result.error, tree).filter(f => !faults.some(g => related(f.path, g.path)));
    faults.push(...found, ...names);
    for (const fault of faults) repair(tree, fault.path);
    // The rest of the file, with the faulty values taken out: so that faults between keys show in the same run.
    const rest = configSchema.safeParse(tree);
    if (rest.success) faults.push(...unlessRelated(crossFaults(finish(rest.data, tree, base), tree), faults));
  }
  throw new ConfigError(issues(faults, placeOf(options.source ?? 'config')));
}

function placeOf(source: string | PlaceOf): PlaceOf {
  return typeof source === 'function' ? source : path => ({ source, path: pathText(path) });
}

/** Faults as issues, in the order of the file. */
function issues(faults: readonly Fault[], place: PlaceOf): ConfigIssue[] {
  const all = faults.map(
    ({ path, at, message }): ConfigIssue => ({ severity: 'error', message, ...place(path, at) }),
  );
  return all.sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
}

/** The faults between keys that do not follow from a fault found before: none of their paths lies in or around one. */
function unlessRelated(cross: readonly CrossFault[], faults: readonly Fault[]): Fault[] {
  const exact = new Set(faults.map(fault => JSON.stringify(fault.path)));
  const around = new Set(faults.flatMap(fault => prefixes(fault.path)));
  const isHit = (path: readonly PropertyKey[]) =>
    around.has(JSON.stringify(path)) || prefixes(path).some(prefix => exact.has(prefix));
  return cross.filter(fault => ![fault.path, ...fault.needs].some(isHit));
}

/** `[a]`, `[a,b]`, `[a,b,c]` as keys of a set. */
function prefixes(path: readonly PropertyKey[]): string[] {
  return path.map((_, i) => JSON.stringify(path.slice(0, i + 1)));
}

/** Take a faulty value out, or put a harmless one in its place where something is required. */
function repair(tree: unknown, path: readonly PropertyKey[]): void {
  const [root, service, key, index] = path;
  const put = (at: readonly (PropertyKey | undefined)[], value: unknown) => {
    replace(
      tree,
      at.filter(step => step !== undefined),
      value,
    );
  };
  const isNamed = root === 'services' || root === 'groups';
  if (!isNamed) put(path.slice(0, 2), undefined);
  else if (service === undefined) put([root], {});
  else if (key === 'listen' || key === 'backends') {
    const stand = key === 'listen' ? '0' : `unix:/faulty-${String(index)}`;
    if (index === undefined) put([root, service, key], [stand]);
    else put([root, service, key, index], stand);
  } else put(path.slice(0, key === 'strategy' ? 3 : 4), undefined);
  // A missing service or group, or one that is not a table, leaves nothing to check.
  if (isNamed && service !== undefined && key === undefined) put([root, service], undefined);
}

/** Set or, with undefined, delete the value at `at`; elements of other lists go together with their list. */
function replace(tree: unknown, at: readonly PropertyKey[], value: unknown): void {
  let parent = tree;
  for (const [depth, step] of at.slice(0, -1).entries()) {
    if (typeof parent !== 'object' || parent === null || !Object.hasOwn(parent, step)) return;
    const next: unknown = (parent as Record<PropertyKey, unknown>)[step];
    if (value === undefined && Array.isArray(next)) {
      replace(tree, at.slice(0, depth + 1), undefined);
      return;
    }
    parent = next;
  }
  const last = at.at(-1);
  if (typeof parent !== 'object' || parent === null || last === undefined) return;
  if (value === undefined) delete (parent as Record<PropertyKey, unknown>)[last];
  else (parent as Record<PropertyKey, unknown>)[last] = value;
}

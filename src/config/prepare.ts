import { quote } from './text.js';

/** A fault before it has a source and a place. `at` says whether it is the key or the value that is wrong. */
export interface Fault {
  readonly path: readonly PropertyKey[];
  readonly at: 'key' | 'value';
  readonly message: string;
}

export type Env = Readonly<Record<string, string | undefined>>;

/** Deeper than any configuration; stops cyclic objects too. */
const MAX_DEPTH = 32;
/** Keys that would reach an object's prototype. */
const UNSAFE_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * A copy of the raw configuration with `${NAME}` replaced from `env` (left alone without one) and without keys that
 * could reach a prototype. The copy is ours to change.
 */
export function prepare(raw: unknown, env: Env | undefined): { tree: unknown; faults: Fault[] } {
  const faults: Fault[] = [];
  const copy = (value: unknown, path: readonly PropertyKey[]): unknown => {
    if (typeof value === 'string') return env === undefined ? value : substitute(value, env, path, faults);
    if (typeof value !== 'object' || value === null || value instanceof Date) return value;
    if (path.length > MAX_DEPTH) {
      faults.push({ path: path.slice(0, 2), at: 'key', message: `nested more than ${MAX_DEPTH} deep` });
      return undefined;
    }
    if (Array.isArray(value)) return value.map((element, i) => copy(element, [...path, i]));
    const table: Record<string, unknown> = {};
    for (const [key, child] of Object.entries(value)) {
      if (UNSAFE_KEYS.has(key)) {
        faults.push({ path: [...path, key], at: 'key', message: `the key ${quote(key)} is not allowed` });
      } else {
        table[key] = copy(child, [...path, key]);
      }
    }
    return table;
  };
  return { tree: copy(raw, []), faults };
}

/** `${NAME}` from the environment; `$${` stands for a literal `${`. */
function substitute(text: string, env: Env, path: readonly PropertyKey[], faults: Fault[]): string {
  return text.replace(/\$\$\{|\$\{([^}]*)(\}?)/g, (whole, name: string | undefined, close: string) => {
    if (whole === '$${') return '${';
    if (close === '' || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name ?? '')) {
      // Part of a password is not shown.
      const got = path.at(-1) === 'password' ? 'something else' : quote(whole);
      faults.push({
        path,
        at: 'value',
        message: `expected "\${NAME}" with the name of an environment variable ("$\${" for a literal "\${"), got ${got}`,
      });
      return whole;
    }
    const found = Object.hasOwn(env, name!) ? env[name!] : undefined;
    if (found === undefined) {
      faults.push({
        path,
        at: 'value',
        message: `the environment variable ${name!.slice(0, 80)} is not set`,
      });
      return whole;
    }
    return found;
  });
}

/** The value at `path`, or undefined. */
export function valueAt(tree: unknown, path: readonly PropertyKey[]): unknown {
  let value = tree;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}

/** True when one path lies inside the other, or both are the same. */
export function related(a: readonly PropertyKey[], b: readonly PropertyKey[]): boolean {
  return a.slice(0, b.length).every((part, i) => part === b[i]);
}

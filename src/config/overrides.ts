import { flagKeys, type OneLinerFlags } from './one-liner.js';
import type { PlaceOf } from './parse.js';

/** A key of the file that a flag sets instead. */
interface Override {
  readonly flag: string;
  readonly path: readonly string[];
  readonly value: unknown;
}

/** The flags that are about the process, not about a service: they may stand beside a file and win over it. */
export function processOverrides(flags: OneLinerFlags): readonly Override[] {
  return flagKeys()
    .filter(([name, , key]) => flags[name] !== undefined && !key.startsWith('services.'))
    .map(([name, flag, key]) => ({ flag, path: key.split('.'), value: flags[name] }));
}

/** Put the overrides into what a file says. Tables that are not there are made; one that is no table is left to the schema. */
export function applyOverrides(raw: Record<string, unknown>, overrides: readonly Override[]): void {
  for (const { path, value } of overrides) {
    let table = raw;
    for (const key of path.slice(0, -1)) {
      const inner = Object.hasOwn(table, key) ? table[key] : undefined;
      const next = inner ?? {};
      if (typeof next !== 'object' || Array.isArray(next)) return;
      table[key] = next;
      table = next as Record<string, unknown>;
    }
    table[path.at(-1)!] = value;
  }
}

/** Where a key stands, with the flag's name for those that a flag has set. */
export function placeWithOverrides(place: PlaceOf, overrides: readonly Override[]): PlaceOf {
  return (path, at) => {
    const found = overrides.find(one => one.path.join('.') === path.map(String).join('.'));
    return found === undefined ? place(path, at) : { source: found.flag, path: '' };
  };
}

export type { Override };

import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Lb4Error } from '../src/errors.js';
import { GuardedStrategy, isStrategy, type StrategyFault } from './guard.js';
import { isStrategyName, STRATEGY_NAMES, strategies } from './index.js';
import type { StrategyFactory } from './strategy.js';

export type { StrategyFault } from './guard.js';

/** True for a path (`./mine.js`, `/etc/lb4/mine.mjs`, `mine.ts`), false for what should be a built-in name. */
export function isUserStrategy(name: string): boolean {
  return /^(\.\.?)?\//.test(name) || /\.(js|mjs|cjs|ts|mts)$/.test(name);
}

/**
 * The factory for a strategy name: a built-in one, or the default export of a module. A path is taken relative to
 * `baseDir`, the folder of the configuration file. A file that changed since it was last loaded is loaded afresh; the
 * modules it imports are not.
 *
 * What a user's factory makes is guarded: see GuardedStrategy. `onFault` hears of its first fault.
 * Throws Lb4Error LB4_STRATEGY when the name is unknown or the module cannot be used; so does the returned factory
 * when the user's factory throws or makes no strategy.
 */
export async function loadStrategyFactory(
  name: string,
  baseDir: string,
  onFault?: (fault: StrategyFault) => void,
): Promise<StrategyFactory> {
  if (isStrategyName(name)) return strategies[name].factory;
  if (!isUserStrategy(name)) {
    const names = STRATEGY_NAMES.map(known => `"${known}"`).join(', ');
    throw bad(`expected one of ${names} or a path such as "./mine.js", got ${JSON.stringify(name)}`);
  }
  const path = resolve(baseDir, name);
  const make = await importDefault(path);
  return ({ options, random }) => {
    const made = call(make, [{ options, random }], path);
    if (!isStrategy(made)) {
      throw bad(`${path}: expected the factory to return { rebuild, pick }, got ${describe(made)}`);
    }
    return new GuardedStrategy(made, path, onFault);
  };
}

type Callable = (...args: readonly unknown[]) => unknown;

async function importDefault(path: string): Promise<Callable> {
  const url = pathToFileURL(path);
  let module: { default?: unknown };
  try {
    // Node keeps modules by URL: the time of the last change makes it a new one.
    url.searchParams.set('changed', String((await stat(path)).mtimeMs));
    module = await import(url.href);
  } catch (error) {
    throw bad(`${path}: cannot load the strategy: ${reason(error)}`, error);
  }
  const factory = module.default;
  if (factory === undefined) throw bad(`${path}: expected a default export, a function; there is none`);
  if (!isCallable(factory)) {
    throw bad(`${path}: expected the default export to be a function, got ${describe(factory)}`);
  }
  return factory;
}

function isCallable(value: unknown): value is Callable {
  return typeof value === 'function';
}

function call(factory: Callable, args: readonly unknown[], path: string): unknown {
  try {
    return factory(...args);
  } catch (error) {
    throw bad(`${path}: the factory threw: ${reason(error)}`, error);
  }
}

function bad(message: string, cause?: unknown): Lb4Error {
  return new Lb4Error('LB4_STRATEGY', message, { cause });
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function describe(value: unknown): string {
  if (value === null) return 'null';
  if (value instanceof Promise) return 'a promise';
  if (typeof value !== 'object') return typeof value;
  return `an object with ${Object.keys(value).join(', ') || 'nothing in it'}`;
}

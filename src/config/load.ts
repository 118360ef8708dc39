import { closeSync, openSync, readSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { ConfigError, type ConfigIssue } from '../errors.js';
import { lintConfig, type SystemFacts } from './lint.js';
import { applyOverrides, type Override, placeWithOverrides } from './overrides.js';
import { parseConfigObject } from './parse.js';
import type { Env } from './prepare.js';
import type { Config } from './schema.js';
import { escapeText, pathText } from './text.js';
import { readToml } from './toml.js';

/** A configuration is written by people. */
export const MAX_FILE_BYTES = 16 * 1024 * 1024;

export interface LoadOptions {
  /** Folder that relative paths start from. Default: the working directory. */
  readonly base?: string;
  /** Keys that flags set instead of the file. */
  readonly overrides?: readonly Override[];
  /** What the lint may know about this machine. */
  readonly system?: SystemFacts;
}

export interface Loaded {
  readonly config: Config;
  /** Warnings of the lint, with their places. */
  readonly issues: readonly ConfigIssue[];
}

/**
 * TOML text into a Config and the lint's warnings. `${NAME}` in strings is replaced from `env`.
 * Throws ConfigError with every fault, each with file, line and column.
 */
export function loadConfigText(
  text: string,
  sourceName: string,
  env: Env = process.env,
  options: LoadOptions = {},
): Loaded {
  const source = escapeText(sourceName);
  const { raw, positions } = readToml(text, source);
  const { overrides = [] } = options;
  applyOverrides(raw, overrides);
  const place = placeWithOverrides(
    (path, at) => ({ source, path: pathText(path), ...positions.find(path, at) }),
    overrides,
  );
  const config = parseConfigObject(raw, { source: place, env, base: options.base });
  return { config, issues: lintConfig(config, options.system, place) };
}

/** The same for a file; relative paths in it start from its folder. A file that cannot be read is one ConfigError. */
export function loadConfigFile(
  path: string,
  env: Env = process.env,
  options: Pick<LoadOptions, 'system' | 'overrides'> = {},
): Loaded {
  return loadConfigText(readText(path), path, env, { base: dirname(resolve(path)), ...options });
}

function readText(path: string): string {
  const fail = (message: string): ConfigError =>
    new ConfigError([{ severity: 'error', path: '', source: escapeText(path), message }]);
  let content: Buffer;
  try {
    content = readAtMost(path, MAX_FILE_BYTES + 1);
  } catch (error) {
    throw fail(`cannot be read: ${reason(error)}`);
  }
  if (content.length > MAX_FILE_BYTES) throw fail('expected at most 16 MiB, got more');
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content);
  } catch {
    throw fail('expected UTF-8 text, got other bytes');
  }
}

/** The first `limit` bytes: pipes and devices have no size to check first, and some have no end. */
function readAtMost(path: string, limit: number): Buffer {
  const chunks: Buffer[] = [];
  let left = limit;
  const fd = openSync(path, 'r');
  try {
    while (left > 0) {
      const chunk = Buffer.allocUnsafe(Math.min(left, 65_536));
      const count = readSync(fd, chunk);
      if (count === 0) break;
      chunks.push(chunk.subarray(0, count));
      left -= count;
    }
  } finally {
    closeSync(fd);
  }
  return Buffer.concat(chunks);
}

function reason(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const plain: Record<string, string> = {
    ENOENT: 'no such file',
    EACCES: 'permission denied',
    ENAMETOOLONG: 'the name is too long',
    EISDIR: 'it is a folder',
    ENOTDIR: 'a part of the path is not a folder',
  };
  return plain[code] ?? escapeText(error instanceof Error ? error.message : String(error));
}

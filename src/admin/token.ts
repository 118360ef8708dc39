import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { ConfigError } from '../errors.js';
import { describeSystemError } from '../system-error.js';

/** Shorter ones can be guessed. */
const MIN_LENGTH = 16;

/** Permission of those who are neither the owner nor in the group. */
const OTHERS_READ = 0o004;

export interface TokenFile {
  readonly token: string;
  /** Every user of this machine can read it. */
  readonly isOpenToAll: boolean;
}

/** The bearer token in a file: its text without white space around it. Throws ConfigError. */
export function readToken(path: string): TokenFile {
  const fail = (message: string): ConfigError =>
    new ConfigError([{ severity: 'error', path: 'admin.token_file', source: path, message }]);
  let token: string;
  let isOpenToAll: boolean;
  try {
    const fd = openSync(path, 'r');
    try {
      token = readFileSync(fd, 'utf8').trim();
      isOpenToAll = (fstatSync(fd).mode & OTHERS_READ) !== 0;
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw fail(`cannot be read: ${describeSystemError(error)}`);
  }
  if (!/^[\x21-\x7e]*$/.test(token)) throw fail('expected one word of printable ASCII characters');
  if (token.length < MIN_LENGTH) {
    throw fail(`expected at least ${MIN_LENGTH} characters, got ${token.length}`);
  }
  return { token, isOpenToAll };
}

import { readFileSync, statSync } from 'node:fs';
import { ConfigError } from '../errors.js';
import { describeSystemError } from '../system-error.js';

/** Shorter ones can be guessed. */
const MIN_LENGTH = 16;

/** The bearer token in a file: its text without white space around it. Throws ConfigError. */
export function readToken(path: string): string {
  const fail = (message: string): ConfigError =>
    new ConfigError([{ severity: 'error', path: 'admin.token_file', source: path, message }]);
  let token: string;
  try {
    token = readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw fail(`cannot be read: ${describeSystemError(error)}`);
  }
  if (!/^[\x21-\x7e]*$/.test(token)) throw fail('expected one word of printable ASCII characters');
  if (token.length < MIN_LENGTH) {
    throw fail(`expected at least ${MIN_LENGTH} characters, got ${token.length}`);
  }
  return token;
}

const OTHERS_READ = 0o004;

/** True when every user of this machine can read the token. */
export function isOpenToAll(path: string): boolean {
  return (statSync(path).mode & OTHERS_READ) !== 0;
}

import { accessSync, constants } from 'node:fs';
import { escapeText } from '../config/text.js';
import { Lb4Error } from '../errors.js';
import { describeSystemError } from '../system-error.js';
import { SUCCEEDS } from './protocol.js';

/** A command line. */
export interface Program {
  readonly file: string;
  readonly args: readonly string[];
}

/** What the service manager means for this process, not for its children. */
const OWN_VARIABLES = ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES', 'LISTEN_PIDFDID', 'WATCHDOG_PID'];

/**
 * What to start: this program again, as it lies on the disk now, or the one at `path` (a JavaScript file runs on this Node.js, anything
 * else is run as it is), with this process's own words. Throws Lb4Error LB4_UPGRADE for a file that is not there or may not be run.
 */
export function successorProgram(path?: string): Program {
  const words = process.argv.slice(2);
  const script = path ?? process.argv[1]!;
  const isScript = path === undefined || /\.[cm]?js$/.test(path);
  try {
    accessSync(script, isScript ? constants.R_OK : constants.X_OK);
  } catch (error) {
    const why = describeSystemError(error);
    throw new Lb4Error('LB4_UPGRADE', `cannot start ${escapeText(script)}: ${why}`, { cause: error });
  }
  if (!isScript) return { file: script, args: words };
  return { file: process.execPath, args: [...process.execArgv, script, ...words] };
}

/** The environment of a successor. */
export function successorEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const next: NodeJS.ProcessEnv = { ...env, [SUCCEEDS]: String(process.pid) };
  for (const name of OWN_VARIABLES) delete next[name];
  return next;
}

import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { adminDirectory } from '../admin/address.js';
import { isLive } from '../admin/unix-socket.js';
import { didYouMean, escapeText, quote } from '../config/text.js';
import { Lb4Error } from '../errors.js';
import { describeSystemError } from '../system-error.js';
import type { AdminAddress } from './request.js';

/** A running instance of this user, by its socket in the folder of default sockets. */
export interface Instance {
  /** The socket's file name without `.sock`: the instance's name, or `NAME-PID` for a second one of that name. */
  readonly name: string;
  readonly path: string;
}

const ENDING = '.sock';

/** The running instances, by name. What dead ones left behind is passed over. Throws Lb4Error LB4_ADMIN. */
export async function liveInstances(directory = adminDirectory()): Promise<readonly Instance[]> {
  const found = socketNames(directory).map(file => ({
    name: basename(file, ENDING),
    path: join(directory, file),
  }));
  const live = await Promise.all(found.map(({ path }) => isLive(path)));
  return found.filter((_, i) => live[i]);
}

function socketNames(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter(entry => entry.isSocket() && entry.name.endsWith(ENDING))
      .map(({ name }) => name)
      .sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new Lb4Error(
      'LB4_ADMIN',
      `cannot look for instances in ${escapeText(directory)}: ${describeSystemError(error)}`,
    );
  }
}

/** The instance called `name`, or else the only one there is. Throws Lb4Error LB4_ADMIN that lists what there is. */
export async function findInstance(name?: string, directory = adminDirectory()): Promise<AdminAddress> {
  const instances = await liveInstances(directory);
  const names = instances.map(one => one.name);
  const list = names.map(escapeText).join(', ');
  const place = escapeText(directory);
  if (name !== undefined) {
    const found = instances.find(one => one.name === name);
    if (found !== undefined) return { kind: 'unix', path: found.path };
    const others = instances.length === 0 ? ` (looked in ${place})` : `; there is ${list}`;
    throw new Lb4Error('LB4_ADMIN', `no instance ${quote(name)} runs${didYouMean(name, names)}${others}`);
  }
  const [only, second] = instances;
  if (only === undefined) {
    throw new Lb4Error(
      'LB4_ADMIN',
      `no running instance found in ${place}; one that listens elsewhere is named by --admin unix:/path or --admin HOST:PORT`,
    );
  }
  if (second !== undefined) {
    throw new Lb4Error('LB4_ADMIN', `several instances run: ${list}; choose one with --name`);
  }
  return { kind: 'unix', path: only.path };
}

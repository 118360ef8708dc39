import { chmodSync, linkSync, lstatSync, mkdirSync, rmSync, type Stats, statSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { Lb4Error } from '../errors.js';
import { describeSystemError } from '../system-error.js';
import { userId } from './address.js';

/** How often a path is tried that another instance may be putting its socket at. */
const TRIES = 3;

/** Make the folder of default sockets, for its owner alone. Throws Lb4Error LB4_LISTEN when it is somebody else's. */
export function ownDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const found = lstatSync(path);
    if (!found.isDirectory() || found.uid !== userId()) throw refusal(path, 'expected a folder of this user');
    if ((found.mode & 0o022) !== 0) chmodSync(path, 0o700);
  } catch (error) {
    if (error instanceof Lb4Error) throw error;
    throw refusal(path, describeSystemError(error));
  }
}

/** A unix socket that was listened on. */
export interface UnixSocket {
  readonly path: string;
  /** Take the path away, unless another process has put something else there in the meantime. */
  remove(): void;
  /** Another process listens there from here on: leave the path alone. */
  leave(): void;
}

/**
 * Listen on a unix socket that only this user may use, from its first moment on: the first of `paths` (in one folder) at
 * which nobody listens. What a dead process left behind is replaced. Resolves to undefined where all of them are in use.
 * Rejects with Lb4Error LB4_LISTEN.
 */
export async function listenUnix(
  server: Server,
  paths: readonly [string, ...string[]],
): Promise<UnixSocket | undefined> {
  // A name of its own first: the path then changes hands in one step, and closing the server removes nobody else's.
  const own = `${paths[0]}.${process.pid}`;
  try {
    rmSync(own, { force: true });
    await bindPrivately(server, own);
    const identity = statSync(own);
    for (const path of paths) {
      if (await claim(own, path)) return ownSocket(path, identity);
    }
    return undefined;
  } catch (error) {
    if (error instanceof Lb4Error) throw error;
    throw refusal(paths[0], describeSystemError(error));
  } finally {
    rmSync(own, { force: true });
  }
}

/** The socket at a path that this process listens on already, and is to take away in the end. Throws where there is none. */
export function adoptUnix(path: string): UnixSocket {
  return ownSocket(path, statSync(path));
}

function ownSocket(path: string, identity: Stats): UnixSocket {
  const remove = (): void => {
    leave();
    try {
      if (isSame(identity, path)) rmSync(path, { force: true });
    } catch {
      // Made before this process became another user: whoever starts next replaces it.
    }
  };
  const leave = (): void => void process.off('exit', remove);
  process.on('exit', remove);
  return { path, remove, leave };
}

/** The file's mode is what umask leaves at bind(), which listen() makes before it returns. */
function bindPrivately(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const before = process.umask(0o177);
    try {
      server.listen({ path }, () => {
        server.off('error', reject);
        resolve();
      });
    } finally {
      process.umask(before);
    }
  });
}

/** Give the socket at `own` its place; false when somebody listens there. */
async function claim(own: string, path: string): Promise<boolean> {
  for (let tried = 1; ; tried++) {
    try {
      linkSync(own, path);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || tried === TRIES) throw error;
    }
    if (!lstatSync(path, { throwIfNoEntry: false })?.isSocket()) {
      throw refusal(path, 'there is a file that is no socket');
    }
    if (await isLive(path)) return false;
    rmSync(path, { force: true });
  }
}

function isSame(identity: Stats, path: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found?.ino === identity.ino && found.dev === identity.dev;
}

/** Anything but a refusal means that there is somebody, or that we may not know. */
export function isLive(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const probe = connect({ path });
    probe.on('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.on('error', ({ code }: NodeJS.ErrnoException) => {
      resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT');
    });
  });
}

function refusal(path: string, why: string): Lb4Error {
  return new Lb4Error('LB4_LISTEN', `admin interface: cannot listen on unix:${path}: ${why}`);
}

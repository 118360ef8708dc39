import type { AddressInfo, Server } from 'node:net';
import type { AdminListen } from '../config/schema.js';
import { Lb4Error } from '../errors.js';
import type { Logger } from '../log.js';
import { describeSystemError } from '../system-error.js';
import { type AdminAddress, adminDirectory, adminSocketPath, formatAdmin } from './address.js';
import { adoptUnix, listenUnix, ownDirectory, type UnixSocket } from './unix-socket.js';

/** Where the interface listens now. */
export interface Bound {
  /** As a configuration would say it. */
  readonly address: string;
  readonly at: AdminAddress;
  /** Take the address away for good. */
  remove(): void;
  /** Another process listens there from here on. */
  leave(): void;
}

/** Listen where the configuration says. Rejects with Lb4Error LB4_LISTEN. */
export async function bind(
  server: Server,
  name: string,
  at: Exclude<AdminListen, { kind: 'off' }>,
  log: Logger,
): Promise<Bound> {
  if (at.kind === 'ip') return await bindTcp(server, at);
  if (at.path !== undefined) return await bindUnix(server, [at.path]);
  ownDirectory(adminDirectory());
  const usual = adminSocketPath(name);
  const bound = await bindUnix(server, [usual, adminSocketPath(name, process.pid)]);
  if (bound.address !== formatAdmin({ kind: 'unix', path: usual })) {
    log.warn({ name, listen: bound.address }, 'another instance of this name is running');
  }
  return bound;
}

async function bindUnix(server: Server, paths: readonly [string, ...string[]]): Promise<Bound> {
  const socket = await listenUnix(server, paths);
  if (socket !== undefined) return boundUnix(socket);
  throw failure({ kind: 'unix', path: paths[0] }, 'another process listens there');
}

function bindTcp(server: Server, at: Extract<AdminListen, { kind: 'ip' }>): Promise<Bound> {
  return new Promise((resolve, reject) => {
    server.once('error', error => reject(failure(at, describeSystemError(error))));
    server.listen({ host: at.host, port: at.port, ipv6Only: true }, () => {
      const { port } = server.address() as AddressInfo;
      resolve(boundTcp({ ...at, port }));
    });
  });
}

/** Listen with a socket that listens there already; it was another process's. Resolves when clients are let in. */
export async function bindInherited(server: Server, at: AdminAddress, fd: number): Promise<Bound> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', error => reject(failure(at, describeSystemError(error))));
    server.listen({ fd }, resolve);
  });
  if (at.kind === 'ip') return boundTcp(at);
  try {
    return boundUnix(adoptUnix(at.path));
  } catch (error) {
    throw failure(at, describeSystemError(error));
  }
}

function boundUnix(socket: UnixSocket): Bound {
  const at = { kind: 'unix', path: socket.path } as const;
  return { address: formatAdmin(at), at, remove: () => socket.remove(), leave: () => socket.leave() };
}

function boundTcp(at: Extract<AdminAddress, { kind: 'ip' }>): Bound {
  return { address: formatAdmin(at), at, remove: () => {}, leave: () => {} };
}

function failure(at: AdminListen, why: string): Lb4Error {
  return new Lb4Error('LB4_LISTEN', `admin interface: cannot listen on ${formatAdmin(at)}: ${why}`);
}

import { lstatSync, unlinkSync } from 'node:fs';
import { type Bind, type Endpoint, formatAddress, Peer } from '../../address.js';
import { Lb4Error } from '../../errors.js';
import { describeSystemError } from '../../system-error.js';
import {
  AF_INET6,
  AF_UNIX,
  bindSocket,
  check,
  close,
  connect,
  E,
  errno,
  F_DUPFD_CLOEXEC,
  F_GETFL,
  F_SETFL,
  fcntl,
  getsockname,
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  O_NONBLOCK,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  socket,
  systemError,
} from './libc.js';
import type { Loop } from './loop.js';
import { setOption } from './options.js';
import type { Slab } from './slab.js';
import { packEndpoint, readSockaddr } from './sockaddr.js';

export interface Bound {
  readonly fd: number;
  readonly address: Endpoint;
  /** AF_INET, AF_INET6 or AF_UNIX. */
  readonly family: number;
}

export interface BindOptions {
  /** Several threads bind the same address (SO_REUSEPORT). */
  readonly shared: boolean;
  /** Nobody here has the address yet: find out whether another program has it, which SO_REUSEPORT would hide. */
  readonly exclusive: boolean;
  /** A descriptor that is bound already. */
  readonly inherited: number | undefined;
  /** The path of a unix socket goes when the listener closes. */
  readonly owned: boolean;
}

/** A bound socket of `type` (SOCK_STREAM, SOCK_DGRAM). Throws Lb4Error LB4_LISTEN. */
export function openBound(loop: Loop, bind: Bind, type: number, options: BindOptions): Bound {
  const { shared, exclusive, inherited } = options;
  const { slab } = loop;
  try {
    if (inherited !== undefined) return inherit(loop, bind, inherited);
    let at = bind;
    if (shared && exclusive && bind.kind !== 'unix') {
      const probe = bindAny(slab, bind, type, false);
      close(probe.fd);
      if (probe.address.kind === 'ip') at = { ...bind, port: probe.address.port };
    }
    const bound = bindAny(slab, at, type, shared);
    loop.opened(bound.fd);
    return bound;
  } catch (error) {
    const what = type === SOCK_STREAM ? '' : 'udp ';
    throw new Lb4Error(
      'LB4_LISTEN',
      `cannot listen on ${what}${formatAddress(bind)}: ${describeSystemError(error)}`,
      { cause: error },
    );
  }
}

/** The same socket under a descriptor of this thread's own. */
function inherit(loop: Loop, bind: Bind, from: number): Bound {
  const { slab } = loop;
  const fd = check(fcntl(from, F_DUPFD_CLOEXEC, 3));
  loop.opened(fd);
  // Service managers pass sockets that block.
  check(fcntl(fd, F_SETFL, check(fcntl(fd, F_GETFL, 0)) | O_NONBLOCK));
  if (bind.kind === 'unix') return { fd, address: bind, family: AF_UNIX };
  slab.resetLength();
  check(getsockname(fd, slab.sockaddr, slab.length));
  const family = slab.data.getUint16(slab.sockaddrAt, true);
  const { port } = readSockaddr(slab.data, slab.sockaddrAt, new Peer());
  const host = bind.kind === 'ip' ? bind.host : family === AF_INET6 ? '::' : '0.0.0.0';
  return { fd, address: { kind: 'ip', host, port }, family };
}

function bindAny(slab: Slab, bind: Bind, type: number, shared: boolean): Bound {
  if (bind.kind !== 'any') return bindOne(slab, bind, type, shared, true);
  const { port } = bind;
  try {
    return bindOne(slab, { kind: 'ip', host: '::', port }, type, shared, false);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL') throw error;
    return bindOne(slab, { kind: 'ip', host: '0.0.0.0', port }, type, shared, true);
  }
}

function bindOne(slab: Slab, endpoint: Endpoint, type: number, shared: boolean, v6Only: boolean): Bound {
  const { family, bytes } = packEndpoint(endpoint);
  if (endpoint.kind === 'unix') {
    refuseFile(endpoint.path);
    if (isStale(family, bytes)) unlinkSync(endpoint.path);
  }
  const fd = check(socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  try {
    if (family !== AF_UNIX) {
      if (type === SOCK_STREAM) setOption(slab, fd, SOL_SOCKET, SO_REUSEADDR, 1);
      if (shared) setOption(slab, fd, SOL_SOCKET, SO_REUSEPORT, 1);
      if (family === AF_INET6) setOption(slab, fd, IPPROTO_IPV6, IPV6_V6ONLY, v6Only ? 1 : 0);
    }
    check(bindSocket(fd, bytes, bytes.length));
  } catch (error) {
    close(fd);
    throw error;
  }
  if (endpoint.kind === 'unix') return { fd, address: endpoint, family };
  slab.resetLength();
  getsockname(fd, slab.sockaddr, slab.length);
  const { port } = readSockaddr(slab.data, slab.sockaddrAt, new Peer());
  return { fd, address: { kind: 'ip', host: endpoint.host, port }, family };
}

/** Throws where there is something else at the path than a socket: nobody wants that replaced. */
function refuseFile(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found !== undefined && !found.isSocket()) throw new Error('there is a file that is no socket');
}

/** True when the path is a socket that nobody accepts on. */
function isStale(family: number, bytes: Uint8Array): boolean {
  const fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) throw systemError(errno());
  const stale = connect(fd, bytes, bytes.length) < 0 && errno() === E.ECONNREFUSED;
  close(fd);
  return stale;
}

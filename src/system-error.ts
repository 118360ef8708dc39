const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EADDRINUSE: 'address already in use',
  EADDRNOTAVAIL: 'no such address, or no free port',
  EAFNOSUPPORT: 'address family not supported',
  ECONNABORTED: 'connection aborted',
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EHOSTUNREACH: 'no route to host',
  EINVAL: 'invalid address',
  EISDIR: 'is a folder',
  EMFILE: 'out of file descriptors',
  EMSGSIZE: 'datagram too large',
  ENETUNREACH: 'network unreachable',
  ENFILE: 'the system is out of file descriptors',
  ENOBUFS: 'out of socket buffers',
  ENOENT: 'no such file',
  ENOMEM: 'out of memory',
  ENOSPC: 'the system has no room left for it',
  ENOTDIR: 'not a folder',
  EPERM: 'not permitted',
  EPIPE: 'broken pipe',
  ETIMEDOUT: 'connection timed out',
};

/** This machine lacks descriptors, ports or memory: not the fault of whoever is at the other end. */
const LOCAL = new Set([
  'EMFILE',
  'ENFILE',
  'ENOBUFS',
  'ENOMEM',
  'EADDRNOTAVAIL',
  'EADDRINUSE',
  'EAGAIN',
  'ENOSPC',
]);

/** A system error in words: `connection refused`; its code, or else its message, where there are none. */
export function describeSystemError(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return (code !== undefined && REASONS[code]) || code || message;
}

export function isLocalTrouble(error: unknown): boolean {
  return LOCAL.has((error as NodeJS.ErrnoException).code ?? '');
}

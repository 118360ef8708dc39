import { type Endpoint, formatAddress } from '../address.js';
import { Lb4Error } from '../errors.js';
import { socketOf } from './proc-sockets.js';

/** The first descriptor that a service manager passes: sd_listen_fds(3). */
const FIRST_FD = 3;
/** More than anybody has; what comes from outside is bounded. */
const MAX_FDS = 1024;

/** A listening socket that was open before the program was started. */
export interface ActivatedSocket {
  readonly fd: number;
  /** FileDescriptorName= of the socket unit; `unknown` when it has none. */
  readonly name: string;
  readonly protocol: 'tcp' | 'udp';
  readonly address: Endpoint;
}

/**
 * The sockets that the service manager has opened for this process (LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES); none when
 * the variables are absent or meant for another process. Throws Lb4Error LB4_LISTEN for a descriptor that is no
 * stream or datagram socket with an address.
 */
export function activatedSockets(env: NodeJS.ProcessEnv): ActivatedSocket[] {
  if (Number(env.LISTEN_PID) !== process.pid) return [];
  const count = Math.min(Number(env.LISTEN_FDS) || 0, MAX_FDS);
  const names = (env.LISTEN_FDNAMES ?? '').split(':');
  return Array.from({ length: count }, (_, i) => {
    const fd = FIRST_FD + i;
    const found = socketOf(fd);
    if (found === undefined) {
      throw new Lb4Error(
        'LB4_LISTEN',
        `LISTEN_FDS: expected a TCP, UDP or unix stream socket, got something else as descriptor ${fd}`,
      );
    }
    return { fd, name: names[i] === undefined || names[i] === '' ? 'unknown' : names[i], ...found };
  });
}

/** For errors and the log: `pg (tcp 0.0.0.0:5432)`. */
export function describeSocket({ name, protocol, address }: ActivatedSocket): string {
  return `${name} (${protocol} ${formatAddress(address)})`;
}

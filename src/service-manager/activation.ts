import { Lb4Error } from '../errors.js';
import type { PassedSocket } from '../pool/plan.js';
import { socketOf } from './proc-sockets.js';

/** The first descriptor that a service manager passes: sd_listen_fds(3). */
const FIRST_FD = 3;
/** More than anybody has; what comes from outside is bounded. */
const MAX_FDS = 1024;

/**
 * The sockets that the service manager has opened for this process (LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES); none when
 * the variables are absent or meant for another process. Throws Lb4Error LB4_LISTEN for a descriptor that is no
 * stream or datagram socket with an address.
 */
export function passedSockets(env: NodeJS.ProcessEnv): PassedSocket[] {
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

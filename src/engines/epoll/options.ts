import type { SocketPlan } from '../../pool/plan.js';
import {
  getsockopt,
  IPPROTO_TCP,
  SO_KEEPALIVE,
  SOL_SOCKET,
  setsockopt,
  TCP_DEFER_ACCEPT,
  TCP_FASTOPEN,
  TCP_INFO,
  TCP_KEEPIDLE,
  TCP_NODELAY,
  TCP_QUICKACK,
  TCP_USER_TIMEOUT,
} from './libc.js';
import type { Slab } from './slab.js';

/** Set an integer option; one that the system refuses is left as it is. */
export function setOption(slab: Slab, fd: number, level: number, name: number, value: number): boolean {
  slab.pairWords[0] = value;
  return setsockopt(fd, level, name, slab.pair, 4) === 0;
}

/** What `[services.X.socket]` says about every TCP socket from its start. Accepted sockets inherit it from their listener. */
export function setStreamOptions(slab: Slab, fd: number, socket: SocketPlan): void {
  if (socket.nodelay) setOption(slab, fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (socket.userTimeout > 0) setOption(slab, fd, IPPROTO_TCP, TCP_USER_TIMEOUT, socket.userTimeout);
}

/** What it says about TCP listeners alone. */
export function setListenerOptions(slab: Slab, fd: number, { deferAccept, fastopen }: SocketPlan): void {
  if (deferAccept > 0) setOption(slab, fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, Math.ceil(deferAccept / 1000));
  if (fastopen > 0) setOption(slab, fd, IPPROTO_TCP, TCP_FASTOPEN, fastopen);
}

/** Keepalive probes begin after `ms` of silence. The kernel's timer is set to what is left of it. */
export function setKeepalive(slab: Slab, fd: number, ms: number): void {
  setOption(slab, fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  setOption(slab, fd, IPPROTO_TCP, TCP_KEEPIDLE, Math.max(1, Math.round(ms / 1000)));
}

/**
 * Before connect: the last ACK of the handshake waits for data to go with. One segment less for each connection whose
 * client speaks first. The kernel waits 200 ms at most; whoever finds nothing to send says so with `acknowledge`.
 */
export function delayAcknowledgement(slab: Slab, fd: number): void {
  setOption(slab, fd, IPPROTO_TCP, TCP_QUICKACK, 0);
}

/** Send an ACK that waits. */
export function acknowledge(slab: Slab, fd: number): void {
  setOption(slab, fd, IPPROTO_TCP, TCP_QUICKACK, 1);
}

/** In linux/tcp_states.h: no connection any more. */
const TCP_CLOSE = 7;

/** The connection of a TCP socket is gone: reset by the other end, or given up. Such a socket keeps its send queue. */
export function isGone(slab: Slab, fd: number): boolean {
  slab.pairWords[0] = 0;
  slab.data.setInt32(slab.lengthAt, 1, true);
  // The first byte of struct tcp_info is the state.
  return (
    getsockopt(fd, IPPROTO_TCP, TCP_INFO, slab.pair, slab.length) === 0 && slab.pairWords[0] === TCP_CLOSE
  );
}

import {
  AF_INET,
  bindSocket,
  connect,
  errno,
  SO_RCVBUF,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOL_SOCKET,
  setsockopt,
  socket,
  systemError,
} from '../../src/engines/epoll/libc.js';

/** The system may grant less (net.core.rmem_max). */
const RECEIVE_BUFFER = 4 << 20;

/** A UDP socket on 127.0.0.1. */
export function boundSocket(port: number): number {
  const fd = open();
  check(bindSocket(fd, loopback(port), 16));
  return fd;
}

/** A UDP socket that talks to this port of 127.0.0.1. */
export function connectedSocket(port: number): number {
  const fd = open();
  check(connect(fd, loopback(port), 16));
  return fd;
}

function open(): number {
  const fd = check(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const size = new Uint8Array(new Int32Array([RECEIVE_BUFFER]).buffer);
  check(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, size, 4));
  return fd;
}

/** `struct sockaddr_in` */
function loopback(port: number): Uint8Array {
  const address = new Uint8Array(16);
  new DataView(address.buffer).setUint16(0, AF_INET, true);
  address.set([port >> 8, port & 255, 127, 0, 0, 1], 2);
  return address;
}

function check(result: number): number {
  if (result < 0) throw systemError(errno());
  return result;
}

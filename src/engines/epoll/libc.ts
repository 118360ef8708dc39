import { constants } from 'node:os';
import koffi from 'koffi';
import { Lb4Error } from '../../errors.js';

/**
 * The only file that knows FFI: the system calls of Linux that the epoll engine makes, by way of koffi, and the numbers
 * and layouts that go with them. Addresses are BigInts that were computed once; memory that the kernel keeps or fills lies
 * in a Slab, which is never freed while its thread lives. Calls return what the system call returns: -1 for an error,
 * and then `errno()` tells which, for this thread.
 */

/** Memory for the kernel: an address, or a buffer of JavaScript that is used during the call only. */
export type Pointer = bigint | Uint8Array;

interface Library {
  func(prototype: string): unknown;
}

/** Where the C compiler of this platform puts the fields of a structure, in bytes. */
export interface Layout {
  readonly size: number;
  readonly offsets: Readonly<Record<string, number>>;
}

/** The layout of a structure with these fields, by their C types, in this order. */
export function layoutOf(fields: Readonly<Record<string, string>>): Layout {
  const type = koffi.struct({ ...fields });
  const names = Object.keys(fields);
  const offsets = Object.fromEntries(names.map(name => [name, koffi.offsetof(type, name)]));
  return { size: koffi.sizeof(type), offsets };
}

const lib: Library = koffi.load(null);

function bind<F>(prototype: string): F {
  return lib.func(prototype) as F;
}

type Fd = number;

export const socket = bind<(domain: number, type: number, protocol: number) => Fd>(
  'int socket(int domain, int type, int protocol)',
);
export const bindSocket = bind<(fd: Fd, address: Pointer, length: number) => number>(
  'int bind(int fd, void *address, int length)',
);
export const listen = bind<(fd: Fd, backlog: number) => number>('int listen(int fd, int backlog)');
export const accept4 = bind<(fd: Fd, address: Pointer, length: Pointer, flags: number) => Fd>(
  'int accept4(int fd, void *address, void *length, int flags)',
);
export const connect = bind<(fd: Fd, address: Pointer, length: number) => number>(
  'int connect(int fd, void *address, int length)',
);
export const recv = bind<(fd: Fd, buffer: Pointer, length: number, flags: number) => number>(
  'int64_t recv(int fd, void *buffer, int64_t length, int flags)',
);
export const send = bind<(fd: Fd, buffer: Pointer, length: number, flags: number) => number>(
  'int64_t send(int fd, void *buffer, int64_t length, int flags)',
);
export const splice = bind<
  (from: Fd, fromOffset: null, to: Fd, toOffset: null, length: number, flags: number) => number
>('int64_t splice(int from, void *from_offset, int to, void *to_offset, int64_t length, int flags)');
export const socketpair = bind<(domain: number, type: number, protocol: number, fds: Pointer) => number>(
  'int socketpair(int domain, int type, int protocol, void *fds)',
);
export const pipe2 = bind<(fds: Pointer, flags: number) => number>('int pipe2(void *fds, int flags)');
export const fcntl = bind<(fd: Fd, command: number, argument: number) => number>(
  'int fcntl(int fd, int command, int argument)',
);
export const shutdown = bind<(fd: Fd, how: number) => number>('int shutdown(int fd, int how)');
export const close = bind<(fd: Fd) => number>('int close(int fd)');
export const setsockopt = bind<
  (fd: Fd, level: number, name: number, value: Pointer, length: number) => number
>('int setsockopt(int fd, int level, int name, void *value, int length)');
export const getsockopt = bind<
  (fd: Fd, level: number, name: number, value: Pointer, length: Pointer) => number
>('int getsockopt(int fd, int level, int name, void *value, void *length)');
export const getsockname = bind<(fd: Fd, address: Pointer, length: Pointer) => number>(
  'int getsockname(int fd, void *address, void *length)',
);
export const ioctl = bind<(fd: Fd, request: number, argument: Pointer) => number>(
  'int ioctl(int fd, uint64_t request, void *argument)',
);
export const epollCreate = bind<(flags: number) => Fd>('int epoll_create1(int flags)');
export const epollCtl = bind<(epoll: Fd, operation: number, fd: Fd, event: Pointer | null) => number>(
  'int epoll_ctl(int epoll, int operation, int fd, void *event)',
);
export const epollWait = bind<(epoll: Fd, events: Pointer, count: number, timeoutMs: number) => number>(
  'int epoll_wait(int epoll, void *events, int count, int timeout)',
);
const timerfdCreate = bind<(clock: number, flags: number) => Fd>('int timerfd_create(int clock, int flags)');
/** `time`: a struct itimerspec. */
export const timerfdSettime = bind<(fd: Fd, flags: number, time: Pointer, old: null) => number>(
  'int timerfd_settime(int fd, int flags, void *time, void *old)',
);
const eventfd = bind<(value: number, flags: number) => Fd>('int eventfd(unsigned int value, int flags)');
export const read = bind<(fd: Fd, buffer: Pointer, length: number) => number>(
  'int64_t read(int fd, void *buffer, int64_t length)',
);
export const write = bind<(fd: Fd, buffer: Pointer, length: number) => number>(
  'int64_t write(int fd, void *buffer, int64_t length)',
);
export const recvmsg = bind<(fd: Fd, message: Pointer, flags: number) => number>(
  'int64_t recvmsg(int fd, void *message, int flags)',
);
export const sendmsg = bind<(fd: Fd, message: Pointer, flags: number) => number>(
  'int64_t sendmsg(int fd, void *message, int flags)',
);
export const recvmmsg = bind<
  (fd: Fd, messages: Pointer, count: number, flags: number, timeout: null) => number
>('int recvmmsg(int fd, void *messages, unsigned int count, int flags, void *timeout)');
export const sendmmsg = bind<(fd: Fd, messages: Pointer, count: number, flags: number) => number>(
  'int sendmmsg(int fd, void *messages, unsigned int count, int flags)',
);
const munmap = bind<(address: bigint, length: number) => number>('int munmap(void *address, size_t length)');
const mmap = bind<
  (address: null, length: number, protection: number, flags: number, fd: Fd, offset: number) => bigint
>('void *mmap(void *address, size_t length, int protection, int flags, int fd, int64_t offset)');

const EFD_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;

/** A descriptor that becomes readable when somebody writes to it with `wake`. */
export function openWake(): Fd {
  return eventfd(0, EFD_NONBLOCK | O_CLOEXEC);
}

const CLOCK_MONOTONIC = 1;

/** A timer of microseconds that is waited for like a socket. */
export function timerfd(): Fd {
  return timerfdCreate(CLOCK_MONOTONIC, EFD_NONBLOCK | O_CLOEXEC);
}

const ONE = new Uint8Array(new BigUint64Array([1n]).buffer);

export function wake(fd: Fd): void {
  write(fd, ONE, 8);
}

/** The error of the last call that returned -1, in this thread. */
export function errno(): number {
  return koffi.errno();
}

/** Errors that the engine tells apart, by number; the same on x64 and arm64. */
export const E = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  EPIPE: 32,
  EMSGSIZE: 90,
  EAFNOSUPPORT: 97,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENETUNREACH: 101,
  ECONNABORTED: 103,
  ECONNRESET: 104,
  ENOBUFS: 105,
  ETIMEDOUT: 110,
  ETOOMANYREFS: 109,
  ECONNREFUSED: 111,
  EHOSTUNREACH: 113,
  EINPROGRESS: 115,
} as const;

const NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));

/**
 * An error number as a system error with its `code` (ECONNREFUSED), so that one place puts all of them into words
 * (src/system-error.ts).
 */
export function systemError(number: number): NodeJS.ErrnoException {
  const code = NAMES.get(number) ?? `errno ${number}`;
  return Object.assign(new Error(code), { code, errno: number });
}

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_SEQPACKET = 5;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_DONTWAIT = 0x40;
export const MSG_CTRUNC = 8;
export const MSG_CMSG_CLOEXEC = 0x40000000;
export const SCM_RIGHTS = 1;
export const SHUT_WR = 1;
export const SHUT_RDWR = 2;

export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_ERROR = 4;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_KEEPALIVE = 9;
export const SO_LINGER = 13;
export const SO_REUSEPORT = 15;
export const SO_SNDBUFFORCE = 32;
export const SO_RCVBUFFORCE = 33;
export const IPPROTO_IP = 0;
export const IP_PKTINFO = 8;
export const IP_BIND_ADDRESS_NO_PORT = 24;
export const IPPROTO_TCP = 6;
export const TCP_NODELAY = 1;
export const TCP_KEEPIDLE = 4;
export const TCP_DEFER_ACCEPT = 9;
export const TCP_INFO = 11;
export const TCP_QUICKACK = 12;
export const TCP_USER_TIMEOUT = 18;
export const TCP_FASTOPEN = 23;
export const SOL_UDP = 17;
export const UDP_SEGMENT = 103;
export const IPPROTO_IPV6 = 41;
export const IPV6_V6ONLY = 26;
export const IPV6_RECVPKTINFO = 49;
export const IPV6_PKTINFO = 50;

export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;
export const EPOLLIN = 1;
export const EPOLLOUT = 4;
export const EPOLLERR = 8;
export const EPOLLHUP = 0x10;
export const EPOLLRDHUP = 0x2000;
export const EPOLLEXCLUSIVE = 1 << 28;
export const EPOLLET = 0x80000000 | 0;

export const SPLICE_F_MOVE = 1;
export const SPLICE_F_NONBLOCK = 2;
export const F_GETFL = 3;
export const F_SETFL = 4;
export const O_NONBLOCK = 0o4000;
export const F_SETPIPE_SZ = 1031;
export const F_DUPFD_CLOEXEC = 1030;
/** Bytes sent and not acknowledged. */
export const SIOCOUTQ = 0x5411;

/** `struct epoll_event` in 32-bit words: packed on x64, aligned elsewhere; where `data` begins in it. */
export const EPOLL_EVENT = process.arch === 'x64' ? { words: 3, data: 1 } : { words: 4, data: 2 };

const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS = 0x22;

/** Give back what `mapMemory` gave, in this thread or in one that has ended: nobody may look at it any more. */
export function unmapMemory(address: bigint, length: number): void {
  munmap(address, length);
}

export interface Mapping {
  readonly address: bigint;
  readonly memory: ArrayBuffer;
}

/** Memory outside of the JavaScript heap that stays where it is: its address and a view of it. Zeroed. Throws Lb4Error LB4_LIMIT. */
export function mapMemory(length: number): Mapping {
  const address = mmap(null, length, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
  if (address === 0xffff_ffff_ffff_ffffn) {
    throw new Lb4Error('LB4_LIMIT', `cannot map ${length} bytes of memory: ${systemError(errno()).code}`);
  }
  return { address, memory: koffi.view(address, length) };
}

/** True where this file's numbers and layouts hold. */
export function isSupported(): boolean {
  return process.platform === 'linux' && (process.arch === 'x64' || process.arch === 'arm64');
}

/** The result of a system call that must not fail. Throws the system error. */
export function check(result: number): number {
  if (result < 0) throw systemError(errno());
  return result;
}

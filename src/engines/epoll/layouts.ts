import {
  close,
  EPOLL_CTL_ADD,
  EPOLL_EVENT,
  EPOLLIN,
  epollCreate,
  epollCtl,
  epollWait,
  type Layout,
  layoutOf,
  openWake,
  wake,
} from './libc.js';

const POINTER = 'void *';
const BYTES_4 = 'uint32_t';

/**
 * The structures that this engine writes and reads word by word: their fields by C type, and where the engine expects them.
 * The same on x64 and arm64. `struct epoll_event`, which is not, is tried with the kernel.
 */
const EXPECTED: Readonly<Record<string, { readonly fields: Record<string, string> } & Layout>> = {
  iovec: {
    fields: { base: POINTER, len: 'size_t' },
    size: 16,
    offsets: { base: 0, len: 8 },
  },
  msghdr: {
    fields: {
      ...{ name: POINTER, namelen: BYTES_4, iov: POINTER, iovlen: 'size_t' },
      ...{ control: POINTER, controllen: 'size_t', flags: 'int' },
    },
    size: 56,
    offsets: { name: 0, namelen: 8, iov: 16, iovlen: 24, control: 32, controllen: 40, flags: 48 },
  },
  cmsghdr: {
    fields: { len: 'size_t', level: 'int', type: 'int' },
    size: 16,
    offsets: { len: 0, level: 8, type: 12 },
  },
  sockaddr_in: {
    fields: { family: 'uint16_t', port: 'uint16_t', addr: BYTES_4, zero: 'uint64_t' },
    size: 16,
    offsets: { family: 0, port: 2, addr: 4, zero: 8 },
  },
  sockaddr_in6: {
    fields: {
      ...{ family: 'uint16_t', port: 'uint16_t', flowinfo: BYTES_4 },
      ...{ a0: BYTES_4, a1: BYTES_4, a2: BYTES_4, a3: BYTES_4, scope: BYTES_4 },
    },
    size: 28,
    offsets: { family: 0, port: 2, flowinfo: 4, a0: 8, a1: 12, a2: 16, a3: 20, scope: 24 },
  },
  itimerspec: {
    fields: { intervalSec: 'long', intervalNsec: 'long', valueSec: 'long', valueNsec: 'long' },
    size: 32,
    offsets: { intervalSec: 0, intervalNsec: 8, valueSec: 16, valueNsec: 24 },
  },
  in_pktinfo: {
    fields: { ifindex: 'int', specDst: BYTES_4, addr: BYTES_4 },
    size: 12,
    offsets: { ifindex: 0, specDst: 4, addr: 8 },
  },
  in6_pktinfo: {
    fields: { a0: BYTES_4, a1: BYTES_4, a2: BYTES_4, a3: BYTES_4, ifindex: BYTES_4 },
    size: 20,
    offsets: { a0: 0, a1: 4, a2: 8, a3: 12, ifindex: 16 },
  },
};

/** Throws an Error that names the first structure that is not as this engine expects it; then the engine must not run. */
export function checkLayouts(expected: typeof EXPECTED = EXPECTED): void {
  for (const [name, { fields, size, offsets }] of Object.entries(expected)) {
    const found = layoutOf(fields);
    if (found.size !== size) differs(`struct ${name}`, size, found.size);
    for (const [field, at] of Object.entries(offsets)) {
      if (found.offsets[field] !== at) differs(`struct ${name}.${field}`, at, found.offsets[field]);
    }
  }
  tryEpollEvent();
}

/** What was put in with a descriptor comes back with its event, at the place where this engine looks for it. */
function tryEpollEvent(): void {
  const epoll = epollCreate(0);
  const fd = openWake();
  const written = new Int32Array(EPOLL_EVENT.words * 2);
  const read = new Int32Array(EPOLL_EVENT.words * 2);
  written[0] = EPOLLIN;
  written[EPOLL_EVENT.data] = 0x1234_5678;
  written[EPOLL_EVENT.data + 1] = -2;
  wake(fd);
  const added = epollCtl(epoll, EPOLL_CTL_ADD, fd, new Uint8Array(written.buffer));
  const count = epollWait(epoll, new Uint8Array(read.buffer), 1, 0);
  close(fd);
  close(epoll);
  if (added !== 0 || count !== 1 || written.some((word, i) => read[i] !== word)) {
    differs('struct epoll_event', written.join(' '), read.join(' '));
  }
}

function differs(what: string, expected: unknown, found: unknown): never {
  throw new Error(`${what}: expected ${expected}, got ${found}`);
}

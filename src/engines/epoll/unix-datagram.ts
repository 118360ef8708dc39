import {
  AF_UNIX,
  close,
  connect,
  errno,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  mapMemory,
  SCM_RIGHTS,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOL_SOCKET,
  send,
  sendmsg,
  socket,
  systemError,
} from './libc.js';
import { packEndpoint } from './sockaddr.js';

/** Datagrams to a unix socket, which Node cannot send. */
export interface DatagramSender {
  /** Best effort: a receiver that is gone or full loses it. It gets copies of `fds`, at most 253. */
  send(text: string, fds?: readonly number[]): void;
  close(): void;
}

/** `path` beginning with `@` is an abstract address. Throws a system error when nobody listens there. */
export function openDatagramSender(path: string): DatagramSender {
  const { bytes } = packEndpoint({ kind: 'unix', path });
  const abstract = path.startsWith('@');
  if (abstract) bytes[2] = 0;
  const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw systemError(errno());
  // An abstract name is as long as the length says; the final zero would belong to it.
  if (connect(fd, bytes, abstract ? bytes.length - 1 : bytes.length) < 0) {
    const error = systemError(errno());
    close(fd);
    throw error;
  }
  return {
    send(text, fds = []) {
      const data = Buffer.from(text);
      if (fds.length === 0) send(fd, data, data.length, MSG_NOSIGNAL | MSG_DONTWAIT);
      else sendmsg(fd, withDescriptors(data, fds), MSG_NOSIGNAL | MSG_DONTWAIT);
    },
    close() {
      close(fd);
    },
  };
}

/** msghdr: iov 16, iovlen 24, control 32, controllen 40. Then an iovec, a cmsghdr (len 0, level 8, type 12) with descriptors, text. */
const VECTOR_AT = 64;
const RIGHTS_AT = 80;
const HEADER_BYTES = 16;
const TEXT_AT = RIGHTS_AT + HEADER_BYTES + 4 * 256;
const ROOM = TEXT_AT + 4096;
let memory: ReturnType<typeof mapMemory> | undefined;

/** Where a message for sendmsg(2) lies; it is overwritten by the next one. */
function withDescriptors(text: Uint8Array, fds: readonly number[]): bigint {
  memory ??= mapMemory(ROOM);
  const { address } = memory;
  const data = new DataView(memory.memory);
  const length = BigInt(HEADER_BYTES + fds.length * 4);
  new Uint8Array(memory.memory, TEXT_AT).set(text);
  data.setBigUint64(16, address + BigInt(VECTOR_AT), true);
  data.setBigUint64(24, 1n, true);
  data.setBigUint64(32, address + BigInt(RIGHTS_AT), true);
  data.setBigUint64(40, length, true);
  data.setBigUint64(VECTOR_AT, address + BigInt(TEXT_AT), true);
  data.setBigUint64(VECTOR_AT + 8, BigInt(text.length), true);
  data.setBigUint64(RIGHTS_AT, length, true);
  data.setInt32(RIGHTS_AT + 8, SOL_SOCKET, true);
  data.setInt32(RIGHTS_AT + 12, SCM_RIGHTS, true);
  for (const [i, one] of fds.entries()) data.setInt32(RIGHTS_AT + HEADER_BYTES + i * 4, one, true);
  return address;
}

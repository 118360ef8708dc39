import {
  AF_UNIX,
  close,
  connect,
  errno,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  send,
  socket,
  systemError,
} from './libc.js';
import { packEndpoint } from './sockaddr.js';

/** Datagrams to a unix socket, which Node cannot send. */
export interface DatagramSender {
  /** Best effort: a receiver that is gone or full loses it. */
  send(text: string): void;
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
    send(text) {
      const data = Buffer.from(text);
      send(fd, data, data.length, MSG_NOSIGNAL | MSG_DONTWAIT);
    },
    close() {
      close(fd);
    },
  };
}

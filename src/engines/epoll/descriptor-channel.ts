import { setTimeout as sleep } from 'node:timers/promises';
import { Lb4Error } from '../../errors.js';
import { describeSystemError } from '../../system-error.js';
import {
  AF_UNIX,
  close,
  E,
  errno,
  MSG_CMSG_CLOEXEC,
  MSG_CTRUNC,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  mapMemory,
  recvmsg,
  SCM_RIGHTS,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_SEQPACKET,
  SOL_SOCKET,
  sendmsg,
  socketpair,
  systemError,
} from './libc.js';

/** Descriptors in one message; the kernel allows 253. */
export const MOST_AT_ONCE = 250;
/** How long the other end may take to make room. */
const PATIENCE_MS = 5_000;
/** Tries that follow each other at once; then the event loop sleeps between them. */
const EAGER_TRIES = 50;

/** msghdr: name 0, namelen 8, iov 16, iovlen 24, control 32, controllen 40, flags 48. Then an iovec, its two words, control. */
const IOV_AT = 16;
const CONTROL_AT = 32;
const CONTROL_LENGTH_AT = 40;
const FLAGS_AT = 48;
const VECTOR_AT = 64;
const WORDS_AT = 80;
const RIGHTS_AT = 96;
/** cmsghdr: len 0 (8 bytes), level 8, type 12, data 16. */
const HEADER_BYTES = 16;
const RIGHTS_BYTES = HEADER_BYTES + MOST_AT_ONCE * 4;

/** A connected pair of sockets that carry descriptors, closed on exec. Throws the system error. */
export function openChannel(): { mine: number; theirs: number } {
  const pair = new Int32Array(2);
  const type = SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK;
  if (socketpair(AF_UNIX, type, 0, new Uint8Array(pair.buffer)) < 0) throw systemError(errno());
  return { mine: pair[0]!, theirs: pair[1]! };
}

/** One message with room for descriptors: its number in the sequence, how many descriptors there are, and they themselves. */
class Message {
  readonly at: bigint;
  readonly data: DataView;

  constructor() {
    const { address, memory } = mapMemory(RIGHTS_AT + RIGHTS_BYTES);
    this.at = address;
    this.data = new DataView(memory);
    this.data.setBigUint64(IOV_AT, address + BigInt(VECTOR_AT), true);
    this.data.setBigUint64(IOV_AT + 8, 1n, true);
    this.data.setBigUint64(VECTOR_AT, address + BigInt(WORDS_AT), true);
    this.data.setBigUint64(VECTOR_AT + 8, 8n, true);
    this.data.setBigUint64(CONTROL_AT, address + BigInt(RIGHTS_AT), true);
  }

  get number(): number {
    return this.data.getInt32(WORDS_AT, true);
  }

  get count(): number {
    return this.data.getInt32(WORDS_AT + 4, true);
  }

  fill(number: number, fds: readonly number[], first: number, count: number): void {
    const { data } = this;
    data.setInt32(WORDS_AT, number, true);
    data.setInt32(WORDS_AT + 4, count, true);
    data.setBigUint64(CONTROL_LENGTH_AT, BigInt(HEADER_BYTES + count * 4), true);
    data.setBigUint64(RIGHTS_AT, BigInt(HEADER_BYTES + count * 4), true);
    data.setInt32(RIGHTS_AT + 8, SOL_SOCKET, true);
    data.setInt32(RIGHTS_AT + 12, SCM_RIGHTS, true);
    for (let i = 0; i < count; i++) data.setInt32(RIGHTS_AT + HEADER_BYTES + i * 4, fds[first + i]!, true);
  }

  /** Before a receive. */
  clear(): void {
    this.data.setBigUint64(CONTROL_LENGTH_AT, BigInt(RIGHTS_BYTES), true);
    this.data.setBigUint64(RIGHTS_AT, 0n, true);
    this.data.setInt32(FLAGS_AT, 0, true);
  }

  get truncated(): boolean {
    return (this.data.getInt32(FLAGS_AT, true) & MSG_CTRUNC) !== 0;
  }

  /** The descriptors that came with it. */
  received(into: number[]): number {
    const { data } = this;
    const used = Number(data.getBigUint64(CONTROL_LENGTH_AT, true));
    if (used < HEADER_BYTES || data.getInt32(RIGHTS_AT + 12, true) !== SCM_RIGHTS) return 0;
    const count = (data.getUint32(RIGHTS_AT, true) - HEADER_BYTES) / 4;
    for (let i = 0; i < count; i++) into.push(data.getInt32(RIGHTS_AT + HEADER_BYTES + i * 4, true));
    return count;
  }
}

/** Sends descriptors to another process through one end of a channel, which stays the caller's to close. */
export class DescriptorSender {
  private readonly fd: number;
  private readonly message = new Message();
  private number = 0;

  constructor(fd: number) {
    this.fd = fd;
  }

  /**
   * Send descriptors, in messages of at most MOST_AT_ONCE; the other process has copies of its own then. Waits, without
   * holding up the event loop, while the other end does not read. Rejects with Lb4Error LB4_UPGRADE. One call at a time.
   */
  async send(fds: readonly number[], patienceMs = PATIENCE_MS): Promise<void> {
    for (let first = 0; first < fds.length; first += MOST_AT_ONCE) {
      this.message.fill(this.number++, fds, first, Math.min(MOST_AT_ONCE, fds.length - first));
      await repeat(patienceMs, 'the other process does not take the descriptors', () => {
        if (sendmsg(this.fd, this.message.at, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return true;
        const error = errno();
        // So many descriptors on their way at a time as this user may have open: the other end takes them in.
        if (error === E.EAGAIN || error === E.EINTR || error === E.ETOOMANYREFS) return false;
        throw failure(`cannot send descriptors: ${describeSystemError(systemError(error))}`);
      });
    }
  }
}

/** Receives what a DescriptorSender sends. */
export class DescriptorReceiver {
  private readonly fd: number;
  private readonly message = new Message();
  private number = 0;

  constructor(fd: number) {
    this.fd = fd;
  }

  /**
   * The next `count` descriptors, in the order in which they were sent, closed on exec: as many as one or several calls of `send`
   * had together. Rejects with Lb4Error LB4_UPGRADE, and then has closed what had come.
   */
  async receive(count: number, patienceMs = PATIENCE_MS): Promise<number[]> {
    const fds: number[] = [];
    try {
      while (fds.length < count) {
        await repeat(patienceMs, `${count - fds.length} of ${count} descriptors did not come`, () =>
          this.next(fds),
        );
      }
      if (fds.length > count) throw failure(`expected ${count} descriptors, got ${fds.length}`);
      return fds;
    } catch (error) {
      for (const fd of fds) close(fd);
      throw error;
    }
  }

  private next(fds: number[]): boolean {
    const { message } = this;
    message.clear();
    const length = recvmsg(this.fd, message.at, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (length < 0) {
      const error = errno();
      if (error === E.EAGAIN || error === E.EINTR) return false;
      throw failure(`cannot receive descriptors: ${describeSystemError(systemError(error))}`);
    }
    if (length === 0) throw failure('cannot receive descriptors: the other process is gone');
    const came = message.received(fds);
    if (message.truncated || came !== message.count) {
      throw failure('cannot receive descriptors: this process may not open as many (ulimit -n)');
    }
    if (message.number !== this.number++) throw failure('cannot receive descriptors: a message is missing');
    return true;
  }
}

/** Try until it is done; first at once again and again, then every millisecond. */
async function repeat(patienceMs: number, what: string, attempt: () => boolean): Promise<void> {
  const deadline = performance.now() + patienceMs;
  for (let tries = 0; !attempt(); tries++) {
    if (performance.now() > deadline) throw failure(`${what} within ${patienceMs} ms`);
    if (tries < EAGER_TRIES) await new Promise(resolve => setImmediate(resolve));
    else await sleep(1);
  }
}

function failure(message: string): Lb4Error {
  return new Lb4Error('LB4_UPGRADE', message);
}

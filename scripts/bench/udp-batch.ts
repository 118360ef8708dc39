import { mapMemory, recvmmsg, sendmmsg } from '../../src/engines/epoll/libc.js';

/** Messages in one system call. */
export const BATCH = 64;
/** No datagram of a benchmark is longer. */
const SLOT_BYTES = 2_048;
const HEADER_BYTES = 64;
const IOV_BYTES = 16;
const NAME_BYTES = 16;

/**
 * An array of `struct mmsghdr` with a buffer each, for load generators and echoes that are not to be the bottleneck. Field
 * offsets: msghdr name 0, namelen 8, iov 16, iovlen 24; mmsghdr len 56; iovec base 0, len 8.
 */
export class Batch {
  /** The buffers one after the other, `SLOT_BYTES` each. */
  readonly data: DataView;
  private readonly headers: DataView;
  private readonly named: boolean;
  private readonly at: readonly bigint[];
  private readonly iovsAt = BATCH * HEADER_BYTES;

  /** `named`: messages have an address, as on a socket that is not connected. */
  constructor(named: boolean) {
    const namesAt = this.iovsAt + BATCH * IOV_BYTES;
    const dataAt = namesAt + BATCH * NAME_BYTES;
    const { address, memory } = mapMemory(dataAt + BATCH * SLOT_BYTES);
    this.named = named;
    this.headers = new DataView(memory, 0, dataAt);
    this.data = new DataView(memory, dataAt);
    this.at = Array.from({ length: BATCH }, (_, i) => address + BigInt(i * HEADER_BYTES));
    for (let i = 0; i < BATCH; i++) {
      const iov = this.iovsAt + i * IOV_BYTES;
      if (named)
        this.headers.setBigUint64(i * HEADER_BYTES, address + BigInt(namesAt + i * NAME_BYTES), true);
      this.headers.setBigUint64(i * HEADER_BYTES + 16, address + BigInt(iov), true);
      this.headers.setBigUint64(i * HEADER_BYTES + 24, 1n, true);
      this.headers.setBigUint64(iov, address + BigInt(dataAt + i * SLOT_BYTES), true);
    }
  }

  /** Where the buffer of message `i` begins in `data`. */
  offset(i: number): number {
    return i * SLOT_BYTES;
  }

  /** Bytes of message `i`, after a receive. */
  length(i: number): number {
    return this.headers.getUint32(i * HEADER_BYTES + 56, true);
  }

  setLength(i: number, length: number): void {
    this.headers.setUint32(this.iovsAt + i * IOV_BYTES + 8, length, true);
  }

  /** The number of messages that came, 0 if there are none. `flags` as of recvmmsg. */
  receive(fd: number, flags: number): number {
    for (let i = 0; i < BATCH; i++) {
      this.setLength(i, SLOT_BYTES);
      if (this.named) this.headers.setUint32(i * HEADER_BYTES + 8, NAME_BYTES, true);
    }
    return Math.max(0, recvmmsg(fd, this.at[0]!, BATCH, flags, null));
  }

  /** The first `count` messages. What the kernel refuses is lost, as datagrams are. */
  send(fd: number, count: number): void {
    for (let first = 0; first < count; ) {
      const sent = sendmmsg(fd, this.at[first]!, count - first, 0);
      first += Math.max(1, sent);
    }
  }
}

import type { OnReadOpts, Socket } from 'node:net';
import { connOf } from './conn.js';

const SIZE = 65_536;
/** From here on a read is worth a buffer of its own; shorter ones are copied. */
const BULK = 16_384;

/**
 * What all upstreams of the thread read into. Node's own way is a fresh 64 KiB for every read, which in a bulk transfer
 * costs more page faults than the bytes cost to copy; and a paused socket is not read at all this way.
 */
const shared = Buffer.allocUnsafeSlow(SIZE);
/** Where the socket that has just been read reads next: Node asks right after the callback, and once for each new socket. */
let next: Buffer = shared;

/** The `onread` option of upstream sockets. */
export const upstreamRead = {
  buffer(): Uint8Array {
    const buffer = next;
    next = shared;
    return buffer;
  },
  callback(this: Socket, length: number, buffer: Buffer): boolean {
    const conn = connOf(this);
    const bytes = buffer.subarray(0, length);
    conn.relay!.forward(conn, buffer === shared ? Buffer.from(bytes) : bytes);
    if (length >= BULK) {
      // What the kernel took at once is no longer needed; anything else keeps its buffer until it is written.
      const free = buffer !== shared && conn.other!.socket.writableLength === 0;
      next = free ? buffer : Buffer.allocUnsafeSlow(SIZE);
    }
    return true;
  },
} as OnReadOpts;

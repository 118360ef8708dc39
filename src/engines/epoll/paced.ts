import { check, EPOLLET, EPOLLIN, timerfd, timerfdSettime } from './libc.js';
import type { Loop, Pollable } from './loop.js';

/** How long what is paced waits, µs. More costs latency and buffers, less more wake-ups: at 2 GB/s it is 400 kB. */
const PACE_US = 200;

/** A struct itimerspec: no interval, then the time until it fires. */
const SOON = new Uint8Array(new BigInt64Array([0n, 0n, 0n, BigInt(PACE_US * 1_000)]).buffer);

/**
 * Turns for those who want them a moment later instead of at each event: what a fast sender sends arrives in many small pieces, and
 * each of them would wake this thread, and then the receiver. The same thought as a network card's interrupt moderation.
 */
export class Paced implements Pollable {
  private readonly loop: Loop;
  private readonly fd: number;
  private readonly waiting: Pollable[] = [];

  constructor(loop: Loop) {
    this.loop = loop;
    this.fd = check(timerfd());
    loop.opened(this.fd);
    loop.add(this.fd, this, EPOLLIN | EPOLLET);
  }

  /** A turn for `owner` when the pace says so. */
  add(owner: Pollable): void {
    if (this.waiting.push(owner) === 1) timerfdSettime(this.fd, 0, SOON, null);
  }

  onEvents(): void {
    for (const owner of this.waiting) this.loop.again(owner);
    this.waiting.length = 0;
  }

  stop(): void {
    this.loop.close(this.fd);
  }

  onAgain(): void {}

  onFault(error: unknown): void {
    throw error;
  }
}

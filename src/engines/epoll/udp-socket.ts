import type { DatagramPeer } from '../engine.js';
import { MSG_DONTWAIT, recvmmsg } from './libc.js';
import type { Pollable } from './loop.js';
import type { MessageArray } from './udp-messages.js';
import { NONE } from './udp-ring.js';
import type { UdpSide } from './udp-side.js';

const MAX_PATIENCE = 16;

/** A datagram socket in the loop: how it reads, and the queue of what is to leave through it at the end of the turn. */
export abstract class DatagramSocket implements Pollable {
  abstract readonly fd: number;
  /** It has one destination, and no message needs a name or control messages of its own. */
  abstract readonly connected: boolean;
  /** The queue's ends, slots of the ring that are linked by `ring.after`; `head` is NONE when nothing waits. */
  head = NONE;
  tail = NONE;
  protected readonly side: UdpSide;
  /** What the last read brought, and in which turn that was. */
  private brought = 0;
  private readIn = -2;
  /** Turns in a row that brought one datagram each, and how many of them make it worth while to ask for more. */
  private inRow = 0;
  private patience = 1;

  constructor(side: UdpSide) {
    this.side = side;
  }

  abstract onEvents(events: number): void;
  onAgain(): void {}
  onFault(): void {}

  /** Write the name of `to` to `at` and return its length; 0 for a connected socket. */
  abstract writeName(data: DataView, at: number, to: DatagramPeer | undefined): number;
  /** Write control messages (the source address) to `at` and return their length. */
  abstract writeControl(data: DataView, at: number, to: DatagramPeer | undefined): number;
  /** A datagram could not be sent and is dropped. */
  abstract sendFailed(error: number): void;
  /** Read one datagram into a slot; its length, or -1. */
  protected abstract receiveOne(slot: number): number;

  /**
   * Read at most `most` datagrams into the slots from `ring.next` on; how many, or -1 and errno tells.
   * Where datagrams come one by one the socket is asked for one, since asking for more costs a failed look into its
   * queue; for a batch while batches come, and to find out whether something was left over when the socket is reported
   * in turn after turn: the more rarely, the more often there was nothing.
   */
  protected receive(messages: MessageArray, most: number): number {
    const { ring, turn } = this.side;
    const first = ring.next;
    const next = turn - this.readIn === 1;
    this.readIn = turn;
    this.inRow = next ? this.inRow + 1 : 0;
    let count: number;
    if (this.brought > 1 || this.inRow >= this.patience) {
      count = recvmmsg(this.fd, messages.at[first]!, most, MSG_DONTWAIT, null);
      this.patience = count > 1 ? 1 : Math.min(this.patience * 2, MAX_PATIENCE);
      this.inRow = 0;
    } else {
      const length = this.receiveOne(first);
      count = length < 0 ? -1 : 1;
      messages.setLength(first, length);
    }
    this.brought = count;
    if (count > 0) ring.next = first + count;
    return count;
  }
}

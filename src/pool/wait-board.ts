import { addBelow } from './add-below.js';
import { MAX_SLOTS } from './totals.js';

/** What one thread writes: how many of its own wait at each slot, and the ticket of the first of them. */
export const WAIT_BYTES = 2 * MAX_SLOTS * 4;

const NOBODY = 0;

/**
 * Who waits at a slot, in which thread: connections in a service's queue, and at the process's slot the threads that have
 * stopped accepting. Whoever begins to wait draws a ticket, and each thread puts up that of its first one; so whoever has
 * something to give away finds the thread of the one who has waited longest over all.
 *
 * Nothing is missed where both sides look second: who waits puts up its ticket and then tries once more, who gives away
 * makes room and then looks at the board.
 */
export class WaitBoard {
  /** How many wait, by slot, over all threads. */
  readonly waiting: Int32Array;
  private readonly tickets: Int32Array;
  private readonly thread: number;
  private readonly own: Int32Array;
  private readonly firsts: readonly Int32Array[];

  /** As `thread` sees it; `waiting` and `tickets` are shared by all, each of `blocks` is written by one thread. */
  constructor(
    waiting: Int32Array,
    tickets: Int32Array,
    blocks: readonly SharedArrayBuffer[],
    thread: number,
  ) {
    this.waiting = waiting;
    this.tickets = tickets;
    this.thread = thread;
    this.own = ownOf(blocks[thread]!);
    this.firsts = blocks.map(block => new Int32Array(block, MAX_SLOTS * 4, MAX_SLOTS));
  }

  /** Count one more that waits, unless `most` do already. Exact across threads. */
  tryJoin(slot: number, most: number): boolean {
    if (!addBelow(this.waiting, slot, most)) return false;
    this.own[slot]!++;
    return true;
  }

  /** One that was counted waits no longer. */
  leave(slot: number): void {
    this.own[slot]!--;
    Atomics.sub(this.waiting, slot, 1);
  }

  /** The next ticket of a slot; never 0. */
  draw(slot: number): number {
    return (Atomics.add(this.tickets, slot, 1) + 1) | 0 || this.draw(slot);
  }

  /** Another process has given out the tickets of a slot up to this one. */
  drawnUpTo(slot: number, ticket: number): void {
    for (let seen = Atomics.load(this.tickets, slot); ((ticket - seen) | 0) > 0; ) {
      const before = Atomics.compareExchange(this.tickets, slot, seen, ticket);
      if (before === seen) return;
      seen = before;
    }
  }

  /** Put up the ticket of this thread's first; 0 = nobody of this thread waits. */
  putUp(slot: number, ticket: number): void {
    Atomics.store(this.firsts[this.thread]!, slot, ticket);
  }

  /** The thread of the one who has waited longest; -1 = nobody waits. */
  first(slot: number): number {
    const { firsts } = this;
    let found = -1;
    let lowest = 0;
    for (let thread = 0; thread < firsts.length; thread++) {
      const ticket = Atomics.load(firsts[thread]!, slot);
      // Tickets go around; those that wait together lie close together.
      if (ticket === NOBODY || (found !== -1 && ((ticket - lowest) | 0) > 0)) continue;
      found = thread;
      lowest = ticket;
    }
    return found;
  }

  /** For a new owner of the slot. */
  clear(slot: number): void {
    Atomics.store(this.waiting, slot, 0);
  }

  /** A thread has died, and with it those of its own who waited. */
  writeOff(thread: number, block: SharedArrayBuffer): void {
    const own = ownOf(block);
    this.firsts[thread]!.fill(NOBODY);
    for (let slot = 0; slot < MAX_SLOTS; slot++) {
      if (own[slot] === 0) continue;
      Atomics.sub(this.waiting, slot, own[slot]!);
      own[slot] = 0;
    }
  }
}

function ownOf(block: SharedArrayBuffer): Int32Array {
  return new Int32Array(block, 0, MAX_SLOTS);
}

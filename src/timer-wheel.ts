/** A thing that can wait on a wheel: its own links are its place, so that scheduling allocates nothing. */
export interface TimerNode {
  /** Owned by the wheel; starts as null. */
  timerPrev: TimerNode | null;
  /** Owned by the wheel; starts as null. */
  timerNext: TimerNode | null;
  /** Owned by the wheel: the tick at which the node is due; starts as 0. */
  timerDeadline: number;
  /** Owned by the wheel; starts as UNSCHEDULED and is so whenever the node is on no wheel. */
  timerSlot: number;
  /** The time is up. The node is off the wheel by now; it may schedule or cancel any node, itself included. */
  onTimer(now: number): void;
}

/** `timerSlot` of a node that waits for nothing. */
export const UNSCHEDULED = -1;

/** A node to extend: everything but what to do when the time is up. */
export abstract class TimerEntry implements TimerNode {
  timerPrev: TimerNode | null = null;
  timerNext: TimerNode | null = null;
  timerDeadline = 0;
  timerSlot = UNSCHEDULED;

  abstract onTimer(now: number): void;
}

/** Heads a circular list of nodes. */
class ListHead implements TimerNode {
  timerPrev: TimerNode = this;
  timerNext: TimerNode = this;
  timerDeadline = 0;
  timerSlot = UNSCHEDULED;

  onTimer(): void {}
}

/**
 * Many timers that are mostly cancelled or moved before they fire: schedule and cancel are O(1) and allocate nothing.
 * A hashed timing wheel (Varghese & Lauck, SOSP 1987, scheme 6): a node waits in the slot `deadline mod slots`,
 * however many turns away it is. Each slot keeps a lower bound of its deadlines, so that turning the wheel past
 * nodes of later turns does not visit them, and the whole wheel keeps one, so that a tick with nothing due is O(1).
 *
 * All times are milliseconds of one monotonic clock that the caller reads. Nodes never fire early; with an `advance`
 * every tick they fire at most two ticks late.
 */
export class TimerWheel {
  /** Nodes waiting. */
  size = 0;
  private readonly start: number;
  private readonly tickMs: number;
  private readonly mask: number;
  private readonly heads: ListHead[] = [];
  /** For each slot a tick before which none of its nodes is due; Infinity when it is empty. */
  private readonly slotDue: Float64Array;
  /** A tick before which nothing on the wheel is due. */
  private soonest = Number.POSITIVE_INFINITY;
  /** Every tick up to this one has been collected. */
  private current = 0;
  /** Nodes taken off their slots and about to fire. */
  private readonly due = new ListHead();

  /** `now` is the clock's time, `tickMs` > 0 the resolution, `slots` the length of a turn: a power of two. */
  constructor(now: number, tickMs = 10, slots = 1024) {
    if (!(tickMs > 0) || slots < 1 || (slots & (slots - 1)) !== 0) {
      throw new RangeError(`tickMs must be > 0 and slots a power of two, got ${tickMs} and ${slots}`);
    }
    this.start = now;
    this.tickMs = tickMs;
    this.mask = slots - 1;
    this.slotDue = new Float64Array(slots).fill(Number.POSITIVE_INFINITY);
    for (let i = 0; i < slots; i++) this.heads.push(new ListHead());
  }

  /**
   * Fire the node `delayMs` from `now`; a node that waits already is moved. Infinity means
   * never. Even a delay of 0 fires from a later `advance`, never from within this one.
   */
  schedule(node: TimerNode, delayMs: number, now: number): void {
    if (node.timerSlot !== UNSCHEDULED) this.cancel(node);
    const deadline = Math.max(Math.ceil((now + delayMs - this.start) / this.tickMs), this.current + 1);
    const slot = deadline & this.mask;
    node.timerDeadline = deadline;
    node.timerSlot = slot;
    append(this.heads[slot]!, node);
    if (deadline < this.slotDue[slot]!) this.slotDue[slot] = deadline;
    if (deadline < this.soonest) this.soonest = deadline;
    this.size++;
  }

  /** Take the node off the wheel; one that does not wait is left alone. */
  cancel(node: TimerNode): void {
    const slot = node.timerSlot;
    if (slot === UNSCHEDULED) return;
    unlink(node);
    this.size--;
    const head = this.heads[slot]!;
    if (head.timerNext === head) this.slotDue[slot] = Number.POSITIVE_INFINITY;
  }

  /** Milliseconds until the node is due, at least 0; -1 when it waits for nothing. */
  remaining(node: TimerNode, now: number): number {
    if (node.timerSlot === UNSCHEDULED) return -1;
    return Math.max(0, this.start + node.timerDeadline * this.tickMs - now);
  }

  /**
   * Run every node that is due at `now`, in the order of their ticks. However far the clock jumped, each slot is
   * visited at most once. When a node throws, the rest stays due for the next call.
   */
  advance(now: number): void {
    const target = Math.floor((now - this.start) / this.tickMs);
    if (target > this.current) {
      if (target >= this.soonest) this.collect(target);
      this.current = target;
    }
    for (;;) {
      const node = this.due.timerNext;
      if (node === this.due) return;
      unlink(node);
      this.size--;
      node.onTimer(now);
    }
  }

  /**
   * Whole milliseconds until `advance` may have something to run: 0 when it has now, -1 when nothing will ever be due.
   * Waking up then may find that the node was cancelled meanwhile.
   */
  nextDelay(now: number): number {
    if (this.due.timerNext !== this.due) return 0;
    if (this.size === 0 || this.soonest === Number.POSITIVE_INFINITY) return -1;
    return Math.max(0, Math.ceil(this.start + this.soonest * this.tickMs - now));
  }

  /** Move all nodes due by tick `target` to the due list, then find the soonest of the rest. */
  private collect(target: number): void {
    const steps = Math.min(target - this.current, this.mask + 1);
    for (let step = 1; step <= steps; step++) {
      const slot = (this.current + step) & this.mask;
      if (this.slotDue[slot]! <= target) this.collectSlot(slot, target);
    }
    let soonest = Number.POSITIVE_INFINITY;
    for (let slot = 0; slot <= this.mask; slot++) {
      if (this.slotDue[slot]! < soonest) soonest = this.slotDue[slot]!;
    }
    this.soonest = soonest;
  }

  private collectSlot(slot: number, target: number): void {
    const head = this.heads[slot]!;
    let later = Number.POSITIVE_INFINITY;
    let node = head.timerNext;
    while (node !== head) {
      const next = node.timerNext!;
      if (node.timerDeadline <= target) {
        unlink(node);
        // The slot stays with the node while it is due, so that it can still be cancelled.
        node.timerSlot = slot;
        append(this.due, node);
      } else if (node.timerDeadline < later) {
        later = node.timerDeadline;
      }
      node = next;
    }
    this.slotDue[slot] = later;
  }
}

function append(head: ListHead, node: TimerNode): void {
  const last = head.timerPrev;
  node.timerPrev = last;
  node.timerNext = head;
  last.timerNext = node;
  head.timerPrev = node;
}

function unlink(node: TimerNode): void {
  node.timerPrev!.timerNext = node.timerNext;
  node.timerNext!.timerPrev = node.timerPrev;
  node.timerPrev = null;
  node.timerNext = null;
  node.timerSlot = UNSCHEDULED;
}

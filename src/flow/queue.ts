import type { WaitBoard } from '../pool/wait-board.js';
import type { ConnectionSearch } from './connection-search.js';

/**
 * Connections of one thread that wait for a backend with room, first come first served: a list through the connections
 * themselves. How many wait and who is the first of all are known over all threads: see WaitBoard.
 */
export class WaitQueue {
  /** Those that wait in this thread. */
  length = 0;
  head: ConnectionSearch | undefined = undefined;
  private tail: ConnectionSearch | undefined = undefined;
  private readonly board: WaitBoard;
  private readonly slot: number;

  constructor(board: WaitBoard, serviceSlot: number) {
    this.board = board;
    this.slot = serviceSlot;
  }

  /** True when anybody waits, in whatever thread. */
  get isUsed(): boolean {
    return Atomics.load(this.board.waiting, this.slot) > 0;
  }

  /** The thread of the one who has waited longest; -1 = nobody waits. */
  get firstThread(): number {
    return this.board.first(this.slot);
  }

  /** To the end, unless `size` connections wait already in all threads. */
  push(connection: ConnectionSearch, size: number): boolean {
    if (!this.board.tryJoin(this.slot, size)) return false;
    connection.ticket = this.board.draw(this.slot);
    this.append(connection);
    return true;
  }

  private append(connection: ConnectionSearch): void {
    connection.queuePrev = this.tail;
    connection.queueNext = undefined;
    if (this.tail === undefined) this.head = connection;
    else this.tail.queueNext = connection;
    this.tail = connection;
    this.length++;
    if (this.head === connection) this.board.putUp(this.slot, connection.ticket);
  }

  /** Behind those that wait here, with a ticket from another process: to be called in the order of the tickets. */
  restore(connection: ConnectionSearch): void {
    const { ticket } = connection;
    this.board.tryJoin(this.slot, Number.POSITIVE_INFINITY);
    this.board.drawnUpTo(this.slot, ticket);
    this.append(connection);
  }

  /** Take out a connection that is in the queue, wherever it stands. */
  remove(connection: ConnectionSearch): void {
    const { queuePrev, queueNext } = connection;
    if (queuePrev === undefined) this.head = queueNext;
    else queuePrev.queueNext = queueNext;
    if (queueNext === undefined) this.tail = queuePrev;
    else queueNext.queuePrev = queuePrev;
    connection.queuePrev = connection.queueNext = undefined;
    this.length--;
    if (queuePrev === undefined) this.board.putUp(this.slot, queueNext?.ticket ?? 0);
    this.board.leave(this.slot);
  }
}

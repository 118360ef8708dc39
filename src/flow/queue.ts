import type { Connection } from './connection.js';

/** Connections that wait for a backend with room, first come first served: a list through the connections themselves. */
export class WaitQueue {
  length = 0;
  head: Connection | undefined = undefined;
  private tail: Connection | undefined = undefined;

  push(connection: Connection): void {
    connection.queuePrev = this.tail;
    connection.queueNext = undefined;
    if (this.tail === undefined) this.head = connection;
    else this.tail.queueNext = connection;
    this.tail = connection;
    this.length++;
  }

  /** Take out a connection that is in the queue, wherever it stands. */
  remove(connection: Connection): void {
    const { queuePrev, queueNext } = connection;
    if (queuePrev === undefined) this.head = queueNext;
    else queuePrev.queueNext = queueNext;
    if (queueNext === undefined) this.tail = queuePrev;
    else queueNext.queuePrev = queuePrev;
    connection.queuePrev = connection.queueNext = undefined;
    this.length--;
  }
}

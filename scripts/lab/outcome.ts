import { type Session, Writer } from './writer.js';

/** What the clients of one balancer saw of one change of the primary. Times are ms; of two clients the worse one. */
export interface Outcome {
  /** From the fault to the first write that the new primary took. */
  readonly unavailable: number;
  /** From the moment in which the new primary was one to that write. */
  readonly reach: number;
  /** Attempts to connect that failed. */
  readonly failedConnects: number;
  /** Writes that a server refused because it was no primary any more. */
  readonly refused: number;
  /** From the moment in which the old primary was one no longer to the last word from it. */
  readonly stayed: number;
}

/** A change as it went, monotonic ms. */
export interface Change {
  /** The fault. */
  readonly at: number;
  /** From when on the new primary was one. */
  readonly newSince: number;
  /** Who that is, as sessions name it. */
  readonly to: string;
  readonly from: string;
}

const CLIENTS = 2;

/** The clients of one balancer. */
export class Clients {
  private readonly writers: readonly Writer[];

  constructor(open: () => Promise<Session>) {
    this.writers = Array.from({ length: CLIENTS }, () => new Writer(open));
  }

  async stop(): Promise<void> {
    await Promise.all(this.writers.map(writer => writer.stop()));
  }

  /** True when each of them has written `times` times. */
  haveWritten(times: number): boolean {
    return this.writers.every(({ replies }) => replies.filter(({ ok }) => ok).length >= times);
  }

  /** True when each of them has written to this server. */
  have(server: string): boolean {
    return this.writers.every(({ replies }) => replies.some(one => one.ok && one.server === server));
  }

  outcome({ at, newSince, to, from }: Change): Outcome {
    const replies = this.writers.map(writer => writer.replies.filter(reply => reply.at >= at));
    const firsts = replies.map(list => list.find(({ ok, server }) => ok && server === to)?.at ?? Infinity);
    const lasts = replies.map(list => list.findLast(({ server }) => server === from)?.at ?? at);
    const refused = replies.flat().filter(({ ok }) => !ok).length;
    return {
      unavailable: Math.round(Math.max(...firsts) - at),
      reach: Math.round(Math.max(...firsts) - newSince),
      failedConnects: this.writers.reduce((sum, { failedConnects }) => sum + failedConnects, 0),
      refused,
      stayed: Math.max(0, Math.round(Math.max(...lasts) - newSince)),
    };
  }
}

/** Short sessions for `ms`, one after the other: how many of them came to this server. */
export async function visits(open: () => Promise<Session>, server: string, ms: number): Promise<number> {
  const end = performance.now() + ms;
  let count = 0;
  while (performance.now() < end) {
    const session = await open().catch(() => undefined);
    const at = await session?.write().catch(() => undefined);
    if (at === server) count++;
    session?.close();
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  return count;
}

import { FdLedger } from '../engines/epoll/ledger.js';
import { close as closeFd, wake } from '../engines/epoll/libc.js';
import { SharedClients } from '../flow/shared-clients.js';
import type { Plan } from '../pool/plan.js';
import type { SharedTable } from '../pool/table.js';
import { type Addresses, type Listens, NOTHING } from './addresses.js';

/** A thread that dies is replaced after this, and after twice as long each time that its successor fails to start. */
const REPLACE_AFTER_MS = 100;
const REPLACE_AFTER_MAX_MS = 10_000;

export interface SuccessionInit {
  readonly table: SharedTable;
  /** Who has which descriptors: an FdLedger's. */
  readonly ledger: SharedArrayBuffer;
  /** An eventfd a thread. */
  readonly bells: readonly number[];
  readonly addresses: Addresses;
  /** The plan that is served. */
  plan(): Plan | undefined;
  /** The end has begun: whoever dies is not replaced. */
  closing(): boolean;
  /** Start a thread in this place that takes over these sockets, and have it serve. */
  start(index: number, left: Listens): Promise<void>;
  /** A thread died with so many connections. */
  onThreadLost(index: number, lost: number, error: Error): void;
}

/** What becomes of the place of a thread that has died. */
export class Succession {
  private readonly init: SuccessionInit;
  private pending: Promise<unknown> = Promise.resolve();

  constructor(init: SuccessionInit) {
    this.init = init;
  }

  /** Resolves when every successor that is about to start serves, or has failed to. */
  get settled(): Promise<unknown> {
    return this.pending;
  }

  /** A thread that served has died: another takes its place, unless all of them are to end. */
  replace(index: number, error: Error): void {
    const { ledger, addresses, closing } = this.init;
    const owned = new Set(new FdLedger(ledger, index).ownedBy(index));
    const sockets = [...addresses.remove(index)].filter(([, { fds = [] }]) => fds.every(fd => owned.has(fd)));
    const left: Listens = closing() ? NOTHING : new Map(sockets);
    this.add(
      this.bury(index, left, error)
        .then(() => new Promise(resolve => setTimeout(resolve, REPLACE_AFTER_MS)))
        .then(() => this.succeed(index, left, 1)),
    );
  }

  /** Close what a thread that has ended had open, but for the sockets that are `left` to its successor. */
  closeAll(index: number, left: Listens): void {
    const ledger = new FdLedger(this.init.ledger, index);
    const kept = new Set(descriptorsOf(left));
    for (const fd of ledger.ownedBy(index)) {
      ledger.disown(fd);
      if (!kept.has(fd)) closeFd(fd);
    }
    ledger.unmapAll();
  }

  /** Close what the dead thread had open, and take its connections off the books. */
  private async bury(index: number, left: Listens, error: Error): Promise<void> {
    const { table, bells, plan, onThreadLost } = this.init;
    const lost = table.writeOff(index);
    this.closeAll(index, left);
    // The places that it had are there for others.
    for (const bell of bells) wake(bell);
    onThreadLost(index, lost, error);
    const clients = plan()?.services.flatMap(service => service.clients ?? []) ?? [];
    await Promise.all(clients.map(buffer => SharedClients.writeOff(buffer, index)));
  }

  /**
   * Start a thread that takes a dead one's place, and its listening sockets with the clients that wait there. If it
   * fails those clients are given up, so that others go to the threads that live, and another tries later.
   */
  private async succeed(index: number, left: Listens, attempt: number): Promise<void> {
    const { addresses, closing, start } = this.init;
    try {
      if (!closing()) await start(index, left);
    } catch (error) {
      addresses.remove(index);
      await this.bury(index, NOTHING, error as Error);
      const pause = Math.min(REPLACE_AFTER_MS * 2 ** attempt, REPLACE_AFTER_MAX_MS);
      setTimeout(() => this.add(this.succeed(index, NOTHING, attempt + 1)), pause).unref();
    } finally {
      for (const fd of descriptorsOf(left)) closeFd(fd);
    }
  }

  private add(work: Promise<void>): void {
    this.pending = Promise.all([this.pending, work]);
  }
}

function descriptorsOf(listens: Listens): number[] {
  return [...listens.values()].flatMap(({ fds = [] }) => fds);
}

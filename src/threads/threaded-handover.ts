import type { FdLedger } from '../engines/epoll/ledger.js';
import { close } from '../engines/epoll/libc.js';
import type { Taken } from '../flow/incoming.js';
import { type Export, REHEARSALS } from '../flow/outgoing.js';
import type { Bundle, Handover, Kept } from './handover.js';
import type { Answer, Delivery, Request } from './messages.js';

/** What one thread gives away, as it crosses to the other process; its descriptors are `count` of the bundle's. */
interface Part extends Omit<Export, 'fds'> {
  readonly source: number;
  readonly count: number;
  /** For each of `listeners` its place among all sockets of its address. */
  readonly ordinals: readonly number[];
}

/** A thread that copies serves nobody meanwhile: so many at a time. */
const AT_ONCE = 250;

type AskThreads = (request: (thread: number) => Request) => Promise<readonly Answer[]>;

/**
 * Handing over for a data plane in several threads: what each gives is one part of a bundle, and every thread on the other
 * side gets all parts and takes its share of them, so that nobody here looks at a single connection.
 */
export class ThreadedHandover implements Handover {
  private readonly threads: number;
  private readonly ledger: FdLedger;
  private readonly findPlaces: () => readonly ReadonlyMap<string, number>[];
  private readonly ask: AskThreads;
  readonly leave: () => Promise<void>;
  /** Connections that came so far: they go around among the threads. */
  private came = 0;
  private rehearsed = false;

  /** `places`: for each thread and address the place of its first socket among those of all threads. */
  constructor(
    threads: number,
    ledger: FdLedger,
    places: () => readonly ReadonlyMap<string, number>[],
    ask: AskThreads,
    leave: () => Promise<void>,
  ) {
    this.threads = threads;
    this.ledger = ledger;
    this.findPlaces = places;
    this.ask = ask;
    this.leave = leave;
  }

  async copy(): Promise<Bundle> {
    const fds: number[] = [];
    const parts: Part[] = [];
    for (let more = true, first = true; more; first = false) {
      const exports = await this.askExports({ type: 'copy', first, most: AT_ONCE });
      this.add(exports, fds, parts);
      more = exports.some(({ homes }) => homes.length === AT_ONCE);
    }
    await this.rehearse();
    return { fds, data: parts };
  }

  /** Do what `freeze` does while there is time, as far as that changes nothing. Threads serve in between. */
  private async rehearse(): Promise<void> {
    for (let i = 0; i < REHEARSALS / AT_ONCE && !this.rehearsed; i++) {
      this.add(await this.askExports({ type: 'rehearse', most: AT_ONCE }), [], []);
    }
    this.rehearsed = true;
  }

  async freeze(): Promise<Bundle> {
    const fds: number[] = [];
    const parts: Part[] = [];
    this.add(await this.askExports({ type: 'freeze' }), fds, parts);
    return { fds, data: parts };
  }

  async thaw(): Promise<void> {
    await this.ask(() => ({ type: 'thaw' }));
  }

  async adopt(bundle: Bundle): Promise<void> {
    const deliveries = this.deliver(bundle);
    try {
      await this.ask(thread => ({ type: 'adopt', deliveries: deliveries(thread) }));
    } finally {
      this.closeUnwanted(bundle);
    }
  }

  async complete(bundle: Bundle): Promise<Kept> {
    const deliveries = this.deliver(bundle);
    const answers = await this.ask(thread => ({ type: 'complete', deliveries: deliveries(thread) }));
    const taken = answers.flatMap(answer => (answer.type === 'taken' ? [answer.taken] : []));
    this.closeUnwanted(bundle);
    const sum = (of: (one: Taken) => number) => taken.reduce((total, one) => total + of(one), 0);
    return {
      connections: sum(one => one.connections),
      flows: sum(one => one.flows),
      lost: [...new Set(taken.flatMap(({ lost }) => lost))],
    };
  }

  /** By thread. */
  private async askExports(request: Request): Promise<readonly Export[]> {
    const answers = await this.ask(() => request);
    return answers.flatMap(answer => (answer.type === 'exported' ? [answer.given] : []));
  }

  private add(exports: readonly Export[], fds: number[], parts: Part[]): void {
    const places = this.findPlaces();
    for (const [source, { fds: own, ...rest }] of exports.entries()) {
      for (const fd of own) fds.push(fd);
      const ordinals = rest.listeners.map(({ key, index }) => (places[source]!.get(key) ?? 0) + index);
      parts.push({ ...rest, source, count: own.length, ordinals });
    }
  }

  /** What each thread gets of a bundle. */
  private deliver({ fds, data }: Bundle): (thread: number) => Delivery[] {
    let at = 0;
    const whole = (data as readonly Part[]).map(({ source, count, ordinals, ...rest }) => {
      const from: Export = { ...rest, fds: Int32Array.from(fds.slice(at, at + count)) };
      at += count;
      const first = this.came;
      this.came += rest.homes.length;
      return { source, from, first, ordinals };
    });
    const { threads } = this;
    return thread =>
      whole.map(({ source, from, first, ordinals }) => ({
        source,
        from,
        share: { thread, threads, first, ordinals },
      }));
  }

  /** Descriptors that no thread has taken. */
  private closeUnwanted({ fds }: Bundle): void {
    for (const fd of fds) if (!this.ledger.isOwned(fd)) close(fd);
  }
}

import type { StrategyFault } from '../../strategies/load.js';
import { growDescriptorTable } from '../engines/epoll/descriptors.js';
import { FdLedger } from '../engines/epoll/ledger.js';
import { close as closeFd, openWake, wake } from '../engines/epoll/libc.js';
import { Lb4Error } from '../errors.js';
import type { Listening } from '../flow/listeners.js';
import { type ConnectionList, type ConnectionQuery, mergeLists, threadOf } from '../flow/listing.js';
import type { PlaneSink } from '../flow/sink.js';
import type { Plan } from '../pool/plan.js';
import type { CloseReason } from '../pool/reasons.js';
import type { SharedTable } from '../pool/table.js';
import { Addresses, type Listens, NOTHING } from './addresses.js';
import type { Handover, Heirloom } from './handover.js';
import { spread } from './heirlooms.js';
import type { Answer, Request } from './messages.js';
import type { Plane } from './plane.js';
import { readRecords } from './records.js';
import { Succession } from './succession.js';
import { type News, Thread } from './thread.js';
import { ThreadedHandover } from './threaded-handover.js';

/** In the ledger: no thread, and nothing is entered for it. */
const CONTROL_PLANE = 254;

export interface ThreadedHooks {
  readonly sink: PlaneSink;
  onFault(fault: StrategyFault): void;
  /** Threads serve nothing until `go`. */
  readonly standby?: boolean;
  /** A thread died with so many connections; a new one takes its place. */
  onThreadLost(thread: number, lost: number, error: Error): void;
}

/** The data plane in threads of its own, each with an epoll engine. Speaks to them by messages and an eventfd. */
export class ThreadedPlane implements Plane {
  readonly engine = 'epoll';
  readonly threads: number;
  readonly handover: Handover;
  private readonly table: SharedTable;
  private readonly hooks: ThreadedHooks;
  private readonly ledger = FdLedger.createBuffer();
  /** An eventfd a thread: other threads write to it, so it outlives the one that looks at it. */
  private readonly bells: readonly number[];
  /** By index. One that has died stays until its successor serves. */
  private readonly list: Thread[] = [];
  private readonly addresses = new Addresses();
  private plan: Plan | undefined;
  private listening: readonly Listening[] = [];
  private records = true;
  private closing = false;
  private standby: boolean;
  /** Its end has begun. */
  private left = false;
  private readonly succession: Succession;

  private constructor(threads: number, table: SharedTable, hooks: ThreadedHooks) {
    this.threads = threads;
    this.bells = Array.from({ length: threads }, openWake);
    this.table = table;
    this.hooks = hooks;
    this.standby = hooks.standby === true;
    this.succession = new Succession({
      table,
      ledger: this.ledger,
      bells: this.bells,
      addresses: this.addresses,
      plan: () => this.plan,
      closing: () => this.closing,
      start: (index, left) => this.succeed(index, left),
      onThreadLost: hooks.onThreadLost,
    });
    this.handover = new ThreadedHandover(
      threads,
      new FdLedger(this.ledger, CONTROL_PLANE),
      () => this.addresses.places(threads),
      request => Promise.all(this.list.map((thread, index) => thread.ask(request(index)))),
      () => this.leave(),
    );
  }

  /** On standby threads serve nothing until `go`. */
  static async start(threads: number, table: SharedTable, hooks: ThreadedHooks): Promise<ThreadedPlane> {
    growDescriptorTable();
    const plane = new ThreadedPlane(threads, table, hooks);
    const started = await Promise.allSettled(
      Array.from({ length: threads }, (_, index) => plane.spawn(index)),
    );
    for (const one of started) if (one.status === 'fulfilled') plane.list[one.value.index] = one.value;
    const failed = started.find(one => one.status === 'rejected');
    if (failed === undefined) return plane;
    await plane.destroy('shutdown');
    throw failed.reason;
  }

  async heirlooms(): Promise<readonly Heirloom[]> {
    await this.succession.settled;
    return this.addresses.all;
  }

  async prepare(plan: Plan, heirlooms: readonly Heirloom[] = []): Promise<void> {
    await this.succession.settled;
    const left = spread(heirlooms, this.threads);
    try {
      // The first finds out which addresses can be had; the others join in.
      const others = [...this.list];
      for (let alive = false; others.length > 0 && !alive; ) {
        const thread = others.shift()!;
        alive = await this.bindIfAlive(thread, plan, left[thread.index]!);
      }
      await Promise.all(others.map(thread => this.bindIfAlive(thread, plan, left[thread.index]!)));
      if (this.list.every(({ gone }) => gone)) {
        throw new Lb4Error('LB4_ENGINE', 'no data-plane thread is running');
      }
    } catch (error) {
      await this.abandon();
      throw error;
    } finally {
      // Each thread listens under numbers of its own.
      for (const { fds } of heirlooms) for (const fd of fds) closeFd(fd);
    }
  }

  async commit(plan: Plan): Promise<readonly Listening[]> {
    // A thread that dies over it is replaced and gets this plan then.
    this.plan = plan;
    const answers = await this.survivors(thread =>
      thread.prepared ? this.serve(thread, plan) : this.bring(thread),
    );
    if (answers.length === 0) await this.succession.settled;
    this.addresses.retain(plan);
    return this.listening;
  }

  async abandon(): Promise<void> {
    await this.survivors(thread => {
      thread.prepared = false;
      return thread.ask({ type: 'abandon' });
    });
    this.addresses.retain(this.plan);
  }

  async go(): Promise<number> {
    this.standby = false;
    const answers = await Promise.all(this.list.map(thread => thread.ask({ type: 'go' })));
    return Math.max(...answers.map(answer => (answer.type === 'gone' ? answer.at : 0)));
  }

  async stopAccepting(handedOver = false): Promise<void> {
    this.closing = true;
    await this.succession.settled;
    await this.askAll({ type: 'stopAccepting', handedOver });
  }

  look(): void {
    if (this.closing) return;
    const { board } = this.table;
    const firsts = this.plan?.services.map(({ slot }) => board.first(slot)) ?? [];
    for (const thread of new Set(firsts)) if (thread !== -1) wake(this.bells[thread]!);
  }

  close(slot: number, perSecond: number, reason: CloseReason): void {
    void this.askAll({ type: 'close', slot, perSecond: perSecond / this.threads, reason });
  }

  async connections(query: ConnectionQuery): Promise<ConnectionList> {
    const answers = await this.survivors(thread => thread.ask({ type: 'list', query }));
    return mergeLists(
      answers.flatMap(answer => (answer.type === 'listed' ? [answer.list] : [])),
      query,
    );
  }

  async end(service: number, ids: readonly number[], reason: CloseReason, detail: string): Promise<number> {
    const answers = await this.survivors((thread, index) => {
      const own = ids.filter(id => threadOf(id) === index);
      return thread.ask({ type: 'end', service, ids: own, reason, detail });
    });
    return answers.reduce((sum, answer) => sum + (answer.type === 'ended' ? answer.count : 0), 0);
  }

  async settle(): Promise<void> {
    await this.askAll({ type: 'settle' });
  }

  wantRecords(wanted: boolean): void {
    this.records = wanted;
    void this.askAll({ type: 'records', wanted });
  }

  async destroy(reason: CloseReason): Promise<void> {
    if (this.left) return;
    // On standby all that is open here is another process's.
    if (this.standby) return this.leave();
    this.closing = this.left = true;
    await this.succession.settled;
    await this.survivors(async thread => {
      const answer = await thread.ask({ type: 'destroy', reason });
      thread.ended = true;
      return answer;
    });
    await Promise.all(this.list.map(thread => thread.terminate()));
    for (const bell of this.bells) closeFd(bell);
  }

  /** End without a word to anybody: another process goes on with what is open here. */
  private async leave(): Promise<void> {
    if (this.left) return;
    this.closing = this.left = true;
    await this.succession.settled;
    for (const thread of this.list) thread.ended = true;
    await Promise.all(this.list.map(thread => thread.terminate()));
    for (let index = 0; index < this.threads; index++) this.succession.closeAll(index, NOTHING);
    for (const bell of this.bells) closeFd(bell);
  }

  private async bind(thread: Thread, plan: Plan, left = NOTHING): Promise<void> {
    const inherited = this.addresses.joining(left);
    const answer = await thread.ask({ type: 'prepare', plan, inherited });
    thread.prepared = true;
    if (answer.type === 'prepared' && !thread.gone) this.addresses.add(thread.index, answer.bound);
  }

  /** False when the thread has died; its successor will have the plan that counts then. */
  private async bindIfAlive(thread: Thread, plan: Plan, left: Listens): Promise<boolean> {
    try {
      await this.bind(thread, plan, left);
      return true;
    } catch (error) {
      if (thread.gone) return false;
      throw error;
    }
  }

  private async serve(thread: Thread, plan: Plan): Promise<Answer> {
    const answer = await thread.ask({ type: 'commit', plan });
    thread.prepared = false;
    if (answer.type === 'committed') this.listening = answer.listening;
    return answer;
  }

  /** Have a thread that was not there for it serve the plan that counts, and any that comes meanwhile. */
  private async bring(thread: Thread, left = NOTHING): Promise<Answer> {
    for (;;) {
      const plan = this.plan!;
      await this.bind(thread, plan, left);
      const answer = await this.serve(thread, plan);
      if (this.plan === plan) return answer;
    }
  }

  /** Ask all those that live. */
  private async askAll(request: Request): Promise<void> {
    await this.survivors(thread => thread.ask(request));
  }

  /** The answers of those threads that lived to give one. */
  private async survivors(
    ask: (thread: Thread, index: number) => Promise<Answer>,
  ): Promise<readonly Answer[]> {
    const settled = await Promise.allSettled(this.list.map(ask));
    return settled.flatMap(one => (one.status === 'fulfilled' ? [one.value] : []));
  }

  private spawn(index: number): Promise<Thread> {
    const { threads, table, ledger, standby, bells } = this;
    const init = { index, threads, table: table.buffers, ledger, standby, bells };
    return Thread.start(init, {
      onNews: news => this.receive(news),
      onExit: (thread, failure) => {
        if (this.list[index] === thread && !thread.ended) this.succession.replace(index, failure);
      },
    });
  }

  private receive(news: News): void {
    const { sink } = this.hooks;
    switch (news.type) {
      case 'records':
        readRecords(news.batch, record => sink.finished(record));
        break;
      case 'backendFailing':
        sink.backendFailing(news.slot, news.reason);
        break;
      case 'trouble':
        sink.trouble(news.reason);
        break;
      case 'fault':
        this.hooks.onFault(news.fault as StrategyFault);
        break;
    }
  }

  /** Start a thread in the place of one that has died; it takes over these sockets. */
  private async succeed(index: number, left: Listens): Promise<void> {
    const thread = await this.spawn(index);
    try {
      await thread.ask({ type: 'records', wanted: this.records });
      if (this.plan !== undefined) await this.bring(thread, left);
      this.list[index] = thread;
    } catch (error) {
      await thread.terminate();
      throw error;
    }
  }
}

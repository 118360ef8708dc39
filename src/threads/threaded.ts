import { Worker } from 'node:worker_threads';
import type { StrategyFault } from '../../strategies/load.js';
import { growDescriptorTable } from '../engines/epoll/descriptors.js';
import { FdLedger } from '../engines/epoll/ledger.js';
import { close as closeFd, openWake, wake } from '../engines/epoll/libc.js';
import { type ErrorCode, Lb4Error } from '../errors.js';
import type { Inherited, Listening } from '../flow/listeners.js';
import { type ConnectionList, type ConnectionQuery, mergeLists, threadOf } from '../flow/listing.js';
import { SharedClients } from '../flow/shared-clients.js';
import type { PlaneSink } from '../flow/sink.js';
import type { Plan } from '../pool/plan.js';
import type { CloseReason } from '../pool/reasons.js';
import type { SharedTable } from '../pool/table.js';
import type { Answer, Message, Numbered, Request, ThreadInit } from './messages.js';
import type { Plane } from './plane.js';
import { readRecords } from './records.js';

/** A thread that dies is replaced after this, so that one which dies at once does not spin. */
const REPLACE_AFTER_MS = 100;

/** A thread that dies takes its answers with it; that is told by `onThreadLost`. */
function ignore(): void {}

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

interface Thread {
  readonly worker: Worker;
  readonly wakeFd: number;
  gone: boolean;
  readonly waiting: Map<number, Waiting>;
}

export interface ThreadedHooks {
  readonly sink: PlaneSink;
  onFault(fault: StrategyFault): void;
  /** A thread died with so many connections; a new one takes its place. */
  onThreadLost(thread: number, lost: number, error: Error): void;
}

/** The data plane in threads of its own, each with an epoll engine. Speaks to them by messages and an eventfd. */
export class ThreadedPlane implements Plane {
  readonly engine = 'epoll';
  readonly threads: number;
  private readonly table: SharedTable;
  private readonly hooks: ThreadedHooks;
  private readonly ledger = FdLedger.createBuffer();
  /** An eventfd a thread: other threads write to it, so it outlives the one that looks at it. */
  private readonly bells: readonly number[];
  private readonly list: Thread[] = [];
  private nextId = 0;
  private plan: Plan | undefined;
  private records = true;
  private closing = false;
  private replacing: Promise<unknown> = Promise.resolve();

  private constructor(threads: number, table: SharedTable, hooks: ThreadedHooks) {
    this.threads = threads;
    this.bells = Array.from({ length: threads }, openWake);
    this.table = table;
    this.hooks = hooks;
  }

  static async start(threads: number, table: SharedTable, hooks: ThreadedHooks): Promise<ThreadedPlane> {
    growDescriptorTable();
    const plane = new ThreadedPlane(threads, table, hooks);
    await Promise.all(Array.from({ length: threads }, (_, index) => plane.spawn(index, false)));
    return plane;
  }

  async prepare(plan: Plan): Promise<void> {
    await this.replacing;
    const [first, ...others] = this.list;
    const inherited = await this.bind(first!, plan, []);
    try {
      // Addresses are bound again by each thread; a unix socket has one queue for all.
      const shared = inherited.map(({ key, port, fd }) => (port === 0 ? { key, port, fd } : { key, port }));
      await Promise.all(others.map(thread => this.bind(thread, plan, shared)));
    } catch (error) {
      await this.abandon();
      throw error;
    }
  }

  async commit(plan: Plan): Promise<readonly Listening[]> {
    // A thread that dies over it is replaced and gets this plan then.
    this.plan = plan;
    const answers = await Promise.allSettled(
      this.list.map(thread => this.ask(thread, { type: 'commit', plan })),
    );
    for (const answer of answers) {
      if (answer.status === 'fulfilled' && answer.value.type === 'committed') return answer.value.listening;
    }
    return [];
  }

  async abandon(): Promise<void> {
    await this.askAll({ type: 'abandon' });
  }

  stopAccepting(): Promise<void> {
    this.closing = true;
    return this.askAll({ type: 'stopAccepting' });
  }

  look(): void {
    if (this.closing) return;
    const { board } = this.table;
    const firsts = this.plan?.services.map(({ slot }) => board.first(slot)) ?? [];
    for (const thread of new Set(firsts)) if (thread !== -1) wake(this.bells[thread]!);
  }

  close(slot: number, perSecond: number, reason: CloseReason): void {
    void this.askAll({ type: 'close', slot, perSecond: perSecond / this.threads, reason }).catch(ignore);
  }

  async connections(query: ConnectionQuery): Promise<ConnectionList> {
    const answers = await this.survivors(thread => this.ask(thread, { type: 'list', query }));
    return mergeLists(
      answers.flatMap(answer => (answer.type === 'listed' ? [answer.list] : [])),
      query,
    );
  }

  async end(service: number, ids: readonly number[], reason: CloseReason, detail: string): Promise<number> {
    const answers = await this.survivors((thread, index) => {
      const own = ids.filter(id => threadOf(id) === index);
      return this.ask(thread, { type: 'end', service, ids: own, reason, detail });
    });
    return answers.reduce((sum, answer) => sum + (answer.type === 'ended' ? answer.count : 0), 0);
  }

  async settle(): Promise<void> {
    await this.askAll({ type: 'settle' }).catch(ignore);
  }

  wantRecords(wanted: boolean): void {
    this.records = wanted;
    void this.askAll({ type: 'records', wanted }).catch(ignore);
  }

  async destroy(reason: CloseReason): Promise<void> {
    this.closing = true;
    await this.replacing;
    await this.askAll({ type: 'destroy', reason }).catch(ignore);
    await Promise.all(this.list.map(({ worker }) => worker.terminate()));
    for (const bell of this.bells) closeFd(bell);
  }

  private async bind(
    thread: Thread,
    plan: Plan,
    inherited: readonly Inherited[],
  ): Promise<readonly Required<Inherited>[]> {
    const answer = await this.ask(thread, { type: 'prepare', plan, inherited });
    return answer.type === 'prepared' ? answer.bound : [];
  }

  private async askAll(request: Request): Promise<void> {
    await Promise.all(this.list.map(thread => this.ask(thread, request)));
  }

  /** The answers of those threads that lived to give one. */
  private async survivors(
    ask: (thread: Thread, index: number) => Promise<Answer>,
  ): Promise<readonly Answer[]> {
    const settled = await Promise.allSettled(this.list.map(ask));
    return settled.flatMap(one => (one.status === 'fulfilled' ? [one.value] : []));
  }

  private ask(thread: Thread, request: Request): Promise<Answer> {
    const id = this.nextId++;
    if (thread.gone) return Promise.reject(new Error('the thread has ended'));
    return new Promise((resolve, reject) => {
      thread.waiting.set(id, { resolve, reject });
      const message: Numbered = { ...request, id };
      thread.worker.postMessage(message);
      // The thread sits in epoll_wait and looks at its messages only when it is woken.
      wake(thread.wakeFd);
    });
  }

  private spawn(index: number, replaces: boolean): Promise<void> {
    const wakeFd = openWake();
    const workerData: ThreadInit = {
      index,
      threads: this.threads,
      table: this.table.buffers,
      ledger: this.ledger,
      replaces,
      wakeFd,
      bells: this.bells,
    };
    const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData, name: `lb4-${index}` });
    const thread: Thread = { worker, wakeFd, gone: false, waiting: new Map() };
    return new Promise((resolve, reject) => {
      let failure = new Error('the thread ended by itself');
      worker.on('error', error => {
        failure = error as Error;
      });
      worker.on('exit', () => {
        thread.gone = true;
        closeFd(wakeFd);
        reject(failure);
        for (const { reject: refuse } of thread.waiting.values()) refuse(failure);
        if (this.list[index] === thread && !this.closing) this.replace(index, failure);
      });
      worker.on('message', (message: Message) => {
        if (message.type === 'ready') {
          this.list[index] = thread;
          resolve();
        } else {
          this.receive(thread, message);
        }
      });
    });
  }

  private receive(thread: Thread, message: Exclude<Message, { type: 'ready' }>): void {
    const { sink } = this.hooks;
    switch (message.type) {
      case 'reply':
        thread.waiting.get(message.id)?.resolve(message.answer);
        thread.waiting.delete(message.id);
        break;
      case 'failed': {
        const { id, code, message: text } = message;
        const error = code === '' ? new Error(text) : new Lb4Error(code as ErrorCode, text);
        thread.waiting.get(id)?.reject(error);
        thread.waiting.delete(id);
        break;
      }
      case 'records':
        readRecords(message.batch, record => sink.finished(record));
        break;
      case 'backendFailing':
        sink.backendFailing(message.slot, message.reason);
        break;
      case 'trouble':
        sink.trouble(message.reason);
        break;
      case 'fault':
        this.hooks.onFault(message.fault as StrategyFault);
        break;
    }
  }

  /** Close what the dead thread had open, take its connections off the books and start another. */
  private replace(index: number, error: Error): void {
    const lost = this.table.writeOff(index);
    for (const fd of new FdLedger(this.ledger, index).ownedBy(index)) {
      new FdLedger(this.ledger, index).disown(fd);
      closeFd(fd);
    }
    // The places that it had are there for others.
    for (const bell of this.bells) wake(bell);
    this.hooks.onThreadLost(index, lost, error);
    const clients = this.plan?.services.flatMap(service => service.clients ?? []) ?? [];
    const corrected = Promise.all(clients.map(buffer => SharedClients.writeOff(buffer, index)));
    this.replacing = (async () => {
      await corrected;
      await new Promise(resolve => setTimeout(resolve, REPLACE_AFTER_MS));
      await this.spawn(index, true);
      const thread = this.list[index]!;
      if (this.plan === undefined) return;
      await this.ask(thread, { type: 'records', wanted: this.records });
      await this.bind(thread, this.plan, []);
      await this.ask(thread, { type: 'commit', plan: this.plan });
    })().catch(again => {
      if (!this.closing) this.replace(index, again as Error);
    });
  }
}

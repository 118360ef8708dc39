import { monotonic } from '../../monotonic.js';
import { TimerWheel } from '../../timer-wheel.js';
import type { FdLedger } from './ledger.js';
import {
  check,
  close,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLL_EVENT,
  EPOLLIN,
  epollCreate,
  epollCtl,
  epollWait,
  read,
} from './libc.js';
import { Paced } from './paced.js';
import { MAX_EVENTS, Slab } from './slab.js';

const TICK_MS = 10;
const O_CLOEXEC = 0o2000000;

/** A descriptor's owner: it hears of events and, when it asked with `again`, of its next turn. */
export interface Pollable {
  /** EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLERR, EPOLLHUP. */
  onEvents(events: number): void;
  /** The turn that it asked for. */
  onAgain(): void;
  /** One of the two threw: a fault of ours. It must give up, so that nobody else suffers. */
  onFault(error: unknown): void;
}

/** One thread's epoll: who waits for which descriptor, timers, and turns for those who used up their budget. */
export class Loop {
  readonly slab: Slab;
  readonly timers: TimerWheel;
  /** Monotonic ms, read once a turn. */
  time: number;
  /** Somebody wrote to the wake-up descriptor: there is work for Node's own event loop. */
  woken = false;
  readonly ledger: FdLedger;
  /** Turns a moment later. */
  readonly paced: Paced;
  private readonly epoll: number;
  private readonly owners: (Pollable | undefined)[] = [];
  /** Told apart by this number: an event that is still in the batch for a descriptor that was closed and reused. */
  private readonly generations: number[] = [];
  private generation = 0;
  private readonly flushers: (() => void)[] = [];
  private waiting: Pollable[] = [];
  private served: Pollable[] = [];
  /** Descriptors stay open when they are closed, as long as others are to get them by their number. */
  private holding = false;
  private readonly held: number[] = [];

  /** `wakeFd` is the owner's: an eventfd that outlives this thread, so that no late writer hits another descriptor. */
  constructor(ledger: FdLedger, wakeFd: number) {
    this.ledger = ledger;
    this.slab = new Slab(ledger);
    this.time = monotonic();
    this.timers = new TimerWheel(this.time, TICK_MS);
    this.epoll = check(epollCreate(O_CLOEXEC));
    ledger.own(this.epoll);
    this.onWrite(wakeFd, () => {
      this.woken = true;
    });
    this.paced = new Paced(this);
  }

  /** Call `look` when somebody has written to an eventfd, once however often that was. */
  onWrite(eventFd: number, look: () => void): void {
    const onEvents = () => {
      read(eventFd, this.slab.buffer, 8);
      look();
    };
    const onFault = (error: unknown) => {
      throw error;
    };
    this.add(eventFd, { onEvents, onAgain() {}, onFault }, EPOLLIN);
  }

  /** Begin to wait for events of `fd`. */
  add(fd: number, owner: Pollable, events: number): void {
    this.generation = (this.generation + 1) | 0;
    this.control(EPOLL_CTL_ADD, fd, this.generation, events);
    this.owners[fd] = owner;
    this.generations[fd] = this.generation;
  }

  /** Wait for other events of `fd`. What has come already counts. */
  change(fd: number, events: number): void {
    this.control(EPOLL_CTL_MOD, fd, this.generations[fd]!, events);
  }

  /** From here on `owner` hears of the events of a descriptor that is waited for already. */
  handOver(fd: number, owner: Pollable): void {
    this.owners[fd] = owner;
  }

  /** A descriptor was opened here: if this thread dies, somebody has to close it. */
  opened(fd: number): void {
    this.ledger.own(fd);
  }

  /** Close a descriptor; that takes it out of the epoll. */
  close(fd: number): void {
    this.owners[fd] = undefined;
    // First out of the ledger: once closed, the number may be another thread's.
    this.ledger.disown(fd);
    close(fd);
  }

  /** Close a descriptor that another process may have too: closing alone would not take it out of the epoll. */
  closeShared(fd: number): void {
    this.remove(fd);
    if (this.holding) this.held.push(fd);
    else this.close(fd);
  }

  /** Whether `closeShared` keeps the numbers of descriptors taken. Those that it has kept so far are free. */
  hold(on: boolean): void {
    this.holding = on;
    for (const fd of this.held) this.close(fd);
    this.held.length = 0;
  }

  /** Stop waiting for a descriptor that stays open. */
  remove(fd: number): void {
    epollCtl(this.epoll, EPOLL_CTL_DEL, fd, null);
    this.owners[fd] = undefined;
  }

  /** Ask for a turn after everybody else had theirs. */
  again(owner: Pollable): void {
    this.waiting.push(owner);
  }

  /** Call `flush` at the end of every turn: for what is gathered while events are served. */
  atEndOfTurn(flush: () => void): void {
    this.flushers.push(flush);
  }

  /**
   * One turn: wait for events, at most `maxWaitMs` (-1: for as long as it takes), then serve them, those who asked for a
   * turn, and the timers.
   */
  turn(maxWaitMs: number): void {
    const { slab, timers } = this;
    let wait = maxWaitMs;
    if (this.waiting.length > 0) wait = 0;
    else if (timers.size > 0) {
      const next = timers.nextDelay(monotonic());
      if (next >= 0 && (wait < 0 || next < wait)) wait = next;
    }
    const count = epollWait(this.epoll, slab.events, MAX_EVENTS, wait);
    this.time = monotonic();
    const { eventWords } = slab;
    for (let i = 0; i < count; i++) {
      const at = i * EPOLL_EVENT.words;
      const fd = eventWords[at + EPOLL_EVENT.data]!;
      const owner = this.owners[fd];
      if (owner !== undefined && this.generations[fd] === eventWords[at + EPOLL_EVENT.data + 1]) {
        try {
          owner.onEvents(eventWords[at]!);
        } catch (error) {
          owner.onFault(error);
        }
      }
    }
    if (this.waiting.length > 0) this.serveWaiting();
    if (timers.size > 0) timers.advance(this.time);
    this.flush();
  }

  /** What is done at the end of every turn. */
  flush(): void {
    for (const flush of this.flushers) flush();
  }

  /** Read the clock, between turns that may lie far apart. */
  readClock(): void {
    this.time = monotonic();
  }

  stop(): void {
    this.paced.stop();
    this.close(this.epoll);
  }

  private control(operation: number, fd: number, generation: number, events: number): void {
    const { eventIn, event } = this.slab;
    eventIn[0] = events;
    eventIn[EPOLL_EVENT.data] = fd;
    eventIn[EPOLL_EVENT.data + 1] = generation;
    check(epollCtl(this.epoll, operation, fd, event));
  }

  private serveWaiting(): void {
    const served = this.waiting;
    this.waiting = this.served;
    for (let i = 0; i < served.length; i++) {
      try {
        served[i]!.onAgain();
      } catch (error) {
        served[i]!.onFault(error);
      }
    }
    served.length = 0;
    this.served = served;
  }
}

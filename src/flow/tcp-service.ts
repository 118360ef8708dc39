import { CidrList, type Peer } from '../address.js';
import type { ListenObserver, StreamConn } from '../engines/engine.js';
import type { Picker } from '../pool/picker.js';
import type { ServicePlan } from '../pool/plan.js';
import type { CloseReason } from '../pool/reasons.js';
import { TimerEntry, UNSCHEDULED } from '../timer-wheel.js';
import { Connection } from './connection.js';
import type { ConnectionSearch } from './connection-search.js';
import { Guard } from './guard.js';
import type { DataPlane } from './plane.js';
import { WaitQueue } from './queue.js';

/** How often those who wait look again without being told, and how often one of them tries what refused it before. */
const QUEUE_POLL_MS = 50;

/** One TCP service in one thread: its listeners, its guard, its picker and the connections it has. */
export class TcpService extends TimerEntry implements ListenObserver {
  readonly plane: DataPlane;
  readonly picker: Picker;
  readonly guard: Guard;
  readonly queue: WaitQueue;
  plan: ServicePlan;
  /** Connections open, in the order of their arrival. */
  size = 0;
  private acceptFrom: CidrList;
  /** The thread that was let go first at the last look; -1 = none. */
  private yieldedTo = -1;
  private first: Connection | undefined = undefined;
  private last: Connection | undefined = undefined;

  constructor(plane: DataPlane, plan: ServicePlan, picker: Picker) {
    super();
    this.plane = plane;
    this.plan = plan;
    this.picker = picker;
    this.queue = new WaitQueue(plane.table.board, plan.slot);
    this.guard = new Guard(plane.table, plan.slot, plan.limits, plan.clients);
    this.acceptFrom = new CidrList(plan.proxyProtocol.acceptFrom);
    picker.setBackends(plan.backends);
  }

  /** Take a changed plan; connections, queue and counts stay. */
  update(plan: ServicePlan): void {
    this.plan = plan;
    this.guard.configure(plan.limits, plan.clients);
    this.acceptFrom = new CidrList(plan.proxyProtocol.acceptFrom);
    this.picker.setBackends(plan.backends);
    this.serveQueue();
  }

  /** Clients outside `accept_from` are ordinary clients: what they send is data and is never believed. */
  expectsHeader(peer: Peer): boolean {
    return this.plan.proxyProtocol.accept !== 'off' && (peer.family === 0 || this.acceptFrom.matches(peer));
  }

  get headerMode(): 'v1' | 'v2' | 'any' {
    const { accept } = this.plan.proxyProtocol;
    return accept === 'off' ? 'any' : accept;
  }

  enter(): boolean {
    return this.plane.room.enter();
  }

  leave(): void {
    this.plane.room.leave();
  }

  onAccept(client: StreamConn): void {
    const { plane } = this;
    plane.totals.connections[this.plan.slot]!++;
    const room = this.guard.enter();
    const connection = new Connection(this, client, plane.engine.now());
    this.add(connection);
    if (room) connection.start();
    else connection.turnAway();
  }

  onAcceptTrouble(reason: string): void {
    this.plane.sink.trouble(`accepting for ${this.plan.name}: ${reason}`);
  }

  /** Let a connection wait; false when as many do as may, in all threads. */
  enqueue(connection: ConnectionSearch): boolean {
    if (!this.queue.push(connection, this.plan.queueSize)) return false;
    if (this.timerSlot === UNSCHEDULED) this.watchQueue();
    return true;
  }

  /** There may be places for those who wait, the longest first, in whatever thread that one is. */
  serveQueue(): void {
    const { queue, plane } = this;
    while (queue.isUsed) {
      const thread = queue.firstThread;
      if (thread !== plane.table.index) {
        if (thread !== -1 && this.picker.hasRoom) plane.bells.ring(thread);
        return;
      }
      if (!this.serveHead()) return;
    }
  }

  /** A connection that another process had. */
  adopt(connection: Connection): void {
    this.add(connection);
  }

  /** An adopted connection is over in the process that it came from. */
  drop(connection: Connection): void {
    this.remove(connection);
  }

  /** One that has waited in another process waits here; to be called in the order of their tickets. */
  requeue(connection: Connection): void {
    this.queue.restore(connection);
    if (this.timerSlot === UNSCHEDULED) this.watchQueue();
  }

  onTimer(): void {
    // One for all: what still refuses would refuse every one of them.
    this.queue.head?.forgetTried();
    if (!this.yieldsToOther()) while (this.queue.length > 0 && this.serveHead());
    if (this.queue.length > 0) this.watchQueue();
  }

  /** A connection is over and has released its backend. */
  finished(connection: Connection): void {
    this.remove(connection);
    this.guard.leave();
    this.plane.sink.finished(connection);
    this.serveQueue();
    this.plane.room.leave();
    this.plane.forget(this);
  }

  /** All connections; none must begin or end meanwhile. */
  *all(): Iterable<Connection> {
    for (let at = this.first; at !== undefined; at = at.next) yield at;
  }

  settle(now: number): void {
    for (let at = this.first; at !== undefined; at = at.next) at.settle(now);
  }

  /** End those who wait: the service takes nothing new any more. */
  endWaiting(reason: CloseReason): void {
    while (this.queue.head !== undefined) this.queue.head.end(reason);
  }

  /**
   * True when there is a place, and another thread has the one who has waited longest. That one has until the next look: nobody
   * shall wait for a thread that does not look.
   */
  private yieldsToOther(): boolean {
    const { queue, plane, picker } = this;
    const first = queue.firstThread;
    const isOther = first !== -1 && first !== plane.table.index;
    const yields = isOther && first !== this.yieldedTo && picker.hasRoom;
    this.yieldedTo = yields ? first : -1;
    if (yields) plane.bells.ring(first);
    return yields;
  }

  /** True when the one who waits longest here waits no longer. */
  private serveHead(): boolean {
    const { head, length } = this.queue;
    head?.pick();
    return this.queue.length < length;
  }

  private watchQueue(): void {
    const { engine } = this.plane;
    engine.timers.schedule(this, QUEUE_POLL_MS, engine.now());
  }

  private add(connection: Connection): void {
    connection.prev = this.last;
    if (this.last === undefined) this.first = connection;
    else this.last.next = connection;
    this.last = connection;
    this.size++;
  }

  private remove({ prev, next }: Connection): void {
    if (prev === undefined) this.first = next;
    else prev.next = next;
    if (next === undefined) this.last = prev;
    else next.prev = prev;
    this.size--;
  }
}

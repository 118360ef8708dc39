import type { Engine } from '../engines/engine.js';
import { PROCESS_SLOT, type SharedTable } from '../pool/table.js';
import { TimerEntry } from '../timer-wheel.js';
import type { Bells } from './bells.js';

/** How often a thread that has stopped accepting looks again without being told. */
const POLL_MS = 50;

export interface RoomHooks {
  /** Leave new connections waiting, or let them in. Letting in may take places at once. */
  setPaused(paused: boolean): void;
  trouble(reason: string): void;
}

/**
 * The places of the process (`max_connections`) as one thread sees them. Who accepts takes a place first; when there is none
 * the thread stops accepting, so that clients wait in the kernel's queue, and puts itself down as waiting.
 */
export class Room extends TimerEntry {
  /** 0 = no limit. */
  private limit = 0;
  private paused = false;
  private readonly engine: Engine;
  private readonly table: SharedTable;
  private readonly bells: Bells;
  private readonly hooks: RoomHooks;

  constructor(engine: Engine, table: SharedTable, bells: Bells, hooks: RoomHooks) {
    super();
    this.engine = engine;
    this.table = table;
    this.bells = bells;
    this.hooks = hooks;
  }

  setLimit(limit: number): void {
    this.limit = limit;
    this.look();
  }

  /** Take a place; it needs one `leave`. False when there is none, and then the thread stops accepting. */
  enter(): boolean {
    if (this.tryEnter()) return true;
    if (this.paused) return false;
    this.putUp();
    // One may have been given back before the ticket was up.
    if (this.tryEnter()) {
      this.takeDown();
      return true;
    }
    this.paused = true;
    this.watch();
    this.hooks.trouble(`max_connections (${this.limit}) reached: new connections wait`);
    this.hooks.setPaused(true);
    return false;
  }

  /** The same for a flow, which does not wait: nothing stops. */
  tryEnter(): boolean {
    return this.table.tryAcquire(PROCESS_SLOT, this.limit);
  }

  leave(): void {
    this.table.release(PROCESS_SLOT);
    if (Atomics.load(this.table.board.waiting, PROCESS_SLOT) > 0) this.passOn();
  }

  /** There may be places again. */
  look(): void {
    if (!this.isFree) return;
    if (this.paused) {
      this.paused = false;
      this.takeDown();
      this.engine.timers.cancel(this);
      this.hooks.setPaused(false);
    }
    // Nobody waited here, or there is more than was wanted.
    if (!this.paused && this.isFree) this.passOn();
  }

  onTimer(): void {
    this.look();
    if (this.paused) this.watch();
  }

  private get isFree(): boolean {
    return this.limit === 0 || Atomics.load(this.table.active, PROCESS_SLOT) < this.limit;
  }

  private passOn(): void {
    const thread = this.table.board.first(PROCESS_SLOT);
    if (thread === this.table.index) this.look();
    else if (thread !== -1) this.bells.ring(thread);
  }

  private putUp(): void {
    const { board } = this.table;
    board.tryJoin(PROCESS_SLOT, Number.POSITIVE_INFINITY);
    board.putUp(PROCESS_SLOT, board.draw(PROCESS_SLOT));
  }

  private takeDown(): void {
    const { board } = this.table;
    board.putUp(PROCESS_SLOT, 0);
    board.leave(PROCESS_SLOT);
  }

  private watch(): void {
    this.engine.timers.schedule(this, POLL_MS, this.engine.now());
  }
}

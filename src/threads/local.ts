import type { StrategyFault } from '../../strategies/load.js';
import type { Engine } from '../engines/engine.js';
import type { Listening } from '../flow/listeners.js';
import { DataPlane, type Prepared } from '../flow/plane.js';
import type { PlaneSink } from '../flow/sink.js';
import type { Plan } from '../pool/plan.js';
import type { CloseReason } from '../pool/reasons.js';
import type { SharedTable } from '../pool/table.js';
import type { Plane } from './plane.js';
import { strategyLoader } from './strategies.js';

/** The data plane in the control plane's own thread: the net engine. */
export class LocalPlane implements Plane {
  readonly engine: 'net' | 'epoll';
  readonly threads = 1;
  private readonly plane: DataPlane;
  private prepared: Prepared | undefined;

  constructor(engine: Engine, table: SharedTable, sink: PlaneSink, onFault: (fault: StrategyFault) => void) {
    this.engine = engine.name;
    this.plane = new DataPlane(engine, table, 0, sink, strategyLoader(onFault));
  }

  async prepare(plan: Plan): Promise<void> {
    this.prepared = await this.plane.prepare(plan);
  }

  commit(plan: Plan): Promise<readonly Listening[]> {
    const prepared = this.prepared!;
    this.prepared = undefined;
    return this.plane.commit(prepared, plan);
  }

  async abandon(): Promise<void> {
    if (this.prepared !== undefined) await this.plane.abandon(this.prepared);
    this.prepared = undefined;
  }

  stopAccepting(): Promise<void> {
    return this.plane.stopAccepting();
  }

  close(slot: number, perSecond: number, reason: CloseReason): void {
    this.plane.close(slot, perSecond, reason);
  }

  async settle(): Promise<void> {
    this.plane.settle();
  }

  wantRecords(): void {}

  destroy(reason: CloseReason): Promise<void> {
    return this.plane.destroy(reason);
  }
}

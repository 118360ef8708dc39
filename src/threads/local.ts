import { closeSync } from 'node:fs';
import type { StrategyFault } from '../../strategies/load.js';
import type { Engine } from '../engines/engine.js';
import type { Listening } from '../flow/listeners.js';
import type { ConnectionList, ConnectionQuery } from '../flow/listing.js';
import { DataPlane, type Prepared } from '../flow/plane.js';
import type { PlaneSink } from '../flow/sink.js';
import type { Plan } from '../pool/plan.js';
import type { CloseReason } from '../pool/reasons.js';
import type { SharedTable } from '../pool/table.js';
import type { Heirloom } from './handover.js';
import { spread } from './heirlooms.js';
import type { Plane } from './plane.js';
import { strategyLoader } from './strategies.js';

/** How often bytes of open connections are added to the totals, and it is noticed which of them are quiet. */
const SETTLE_MS = 1_000;

/** The data plane in the control plane's own thread: the net engine. */
export class LocalPlane implements Plane {
  readonly engine: 'net' | 'epoll';
  readonly threads = 1;
  private readonly plane: DataPlane;
  private readonly settling: NodeJS.Timeout;
  private readonly begin: () => Promise<void>;
  private prepared: Prepared | undefined;
  private looking: NodeJS.Immediate | undefined;

  /** `begin`: what ends the engine's standby. */
  constructor(
    engine: Engine,
    table: SharedTable,
    sink: PlaneSink,
    onFault: (fault: StrategyFault) => void,
    begin: () => Promise<void> = async () => {},
  ) {
    this.begin = begin;
    this.engine = engine.name;
    this.plane = new DataPlane(engine, table, sink, strategyLoader(onFault));
    this.settling = setInterval(() => this.plane.settle(), SETTLE_MS);
    this.settling.unref();
  }

  async heirlooms(): Promise<readonly Heirloom[]> {
    return this.plane.sockets;
  }

  async prepare(plan: Plan, inherited: readonly Heirloom[] = []): Promise<void> {
    this.prepared = await this.plane.prepare(plan, [...spread(inherited, 1)[0]!.values()]);
    const { opened } = this.prepared;
    const unused = inherited.filter(({ key }) => !opened.has(key));
    for (const fd of unused.flatMap(({ fds }) => fds)) closeSync(fd);
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

  async go(): Promise<number> {
    await this.begin();
    return this.plane.engine.now();
  }

  stopAccepting(handedOver = false): Promise<void> {
    return this.plane.stopAccepting(handedOver);
  }

  look(): void {
    // Not within the change: who waits may dial at once, and that may fail and change something else.
    this.looking ??= setImmediate(() => {
      this.looking = undefined;
      this.plane.look();
    });
  }

  close(slot: number, perSecond: number, reason: CloseReason): void {
    this.plane.close(slot, perSecond, reason);
  }

  async connections(query: ConnectionQuery): Promise<ConnectionList> {
    return this.plane.list(query);
  }

  async end(service: number, ids: readonly number[], reason: CloseReason, detail: string): Promise<number> {
    return this.plane.end(service, ids, reason, detail);
  }

  async settle(): Promise<void> {
    this.plane.settle();
  }

  wantRecords(): void {}

  destroy(reason: CloseReason): Promise<void> {
    clearInterval(this.settling);
    clearImmediate(this.looking);
    return this.plane.destroy(reason);
  }
}

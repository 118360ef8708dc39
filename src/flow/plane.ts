import type { DatagramListener, Engine } from '../engines/engine.js';
import { Picker } from '../pool/picker.js';
import type { Plan, ServicePlan } from '../pool/plan.js';
import type { CloseReason } from '../pool/reasons.js';
import type { SharedTable } from '../pool/table.js';
import type { Totals } from '../pool/totals.js';
import { type Bells, NO_BELLS } from './bells.js';
import type { Connection } from './connection.js';
import {
  closeAll,
  type Inherited,
  ListenerSet,
  type Listening,
  type Observers,
  type Open,
  type Sockets,
  socketsOf,
} from './listeners.js';
import { type ConnectionList, type ConnectionQuery, listConnections, serialOf } from './listing.js';
import type { StrategyLoader } from './loader.js';
import { Outgoing } from './outgoing.js';
import { type Endable, Pacer } from './pacer.js';
import { Room } from './room.js';
import type { PlaneSink } from './sink.js';
import { TcpService } from './tcp-service.js';
import type { UdpFlow } from './udp-flow.js';
import { UdpService } from './udp-service.js';

export type Service = TcpService | UdpService;

/** Connections of a backend (-1: all) that are being closed. */
export interface Closing {
  readonly slot: number;
  readonly perSecond: number;
  readonly reason: CloseReason;
}

interface Served {
  readonly service: Service;
  /** What the strategies were built from; they are kept while it stays the same. */
  readonly strategy: string;
  commit(plan: ServicePlan): void;
}

/** What a plan needs, loaded and opened. */
export interface Prepared {
  readonly services: Map<number, Served>;
  readonly opened: Map<string, Open>;
}

/**
 * The data plane of one thread: all services, on one engine. It takes whole plans and works out what changed; what did
 * not change keeps its sockets, its connections and its place in the rotation.
 */
export class DataPlane {
  readonly engine: Engine;
  readonly table: SharedTable;
  readonly totals: Totals;
  readonly sink: PlaneSink;
  readonly bells: Bells;
  readonly room: Room;
  private readonly loadStrategy: StrategyLoader;
  private services = new Map<number, Served>();
  /** Services that are no longer in the plan and still have connections. */
  private readonly retired = new Set<Service>();
  /** What goes to another process. */
  readonly outgoing: Outgoing;
  private readonly listeners: ListenerSet;
  private pacers: Pacer[] = [];
  private serial = 0;

  /** `table` as this thread sees it. */
  constructor(
    engine: Engine,
    table: SharedTable,
    sink: PlaneSink,
    loadStrategy: StrategyLoader,
    bells: Bells = NO_BELLS,
  ) {
    this.engine = engine;
    this.table = table;
    this.totals = table.totalsOf(table.index);
    this.sink = sink;
    this.bells = bells;
    this.loadStrategy = loadStrategy;
    this.listeners = new ListenerSet(engine);
    this.outgoing = new Outgoing(this);
    this.room = new Room(engine, table, bells, {
      setPaused: paused => this.listeners.setPaused(paused),
      trouble: reason => sink.trouble(reason),
    });
  }

  /**
   * Load the strategies and open the addresses that a plan needs and that are not there yet. Changes nothing that runs;
   * rejects with an Lb4Error that says what failed. Must be followed by `commit` or `abandon`.
   */
  async prepare(plan: Plan, inherited: readonly Inherited[] = []): Promise<Prepared> {
    const services = new Map<number, Served>();
    for (const service of plan.services) services.set(service.slot, await this.load(service));
    return { services, opened: await this.listeners.prepare(plan, observers(services), inherited) };
  }

  /**
   * Serve a plan that was prepared; backends, limits and times may be others than in the one that was. Resolves to where
   * it listens now.
   */
  async commit({ services, opened }: Prepared, plan: Plan): Promise<Listening[]> {
    for (const service of plan.services) services.get(service.slot)!.commit(service);
    for (const [slot, { service }] of this.services) {
      if (!services.has(slot)) this.retire(service);
    }
    this.services = services;
    const listening = await this.listeners.take(plan, observers(services), opened);
    this.room.setLimit(plan.maxConnections);
    return listening;
  }

  /** What `prepare` opened, for those who share it. */
  bound({ opened }: Prepared): Sockets[] {
    return [...opened.values()].map(socketsOf);
  }

  /** Where it listens, with what. */
  get sockets(): Sockets[] {
    return this.listeners.sockets;
  }

  /** Close what was opened for a plan that is not to be served. */
  async abandon({ opened }: Prepared): Promise<void> {
    await closeAll(opened.values());
  }

  /**
   * Take nothing new any more; what is open goes on. UDP flows still get and give datagrams, unless the sockets were
   * `handedOver`: then another process reads them.
   */
  async stopAccepting(handedOver = false): Promise<void> {
    for (const { service } of this.services.values()) service.endWaiting('shutdown');
    await this.listeners.closeStreams(handedOver);
    for (const { service } of this.services.values()) {
      if (!(service instanceof UdpService)) continue;
      service.closed = true;
      if (handedOver) for (const flow of [...service.all()]) flow.end('shutdown');
    }
    if (handedOver) await this.listeners.close();
  }

  /** End all connections of a backend (or of every backend: slot -1), paced; `perSecond` may be Infinity. */
  close(slot: number, perSecond: number, reason: CloseReason): void {
    const victims: Endable[] = [];
    for (const service of this.all()) {
      for (const one of service.all()) if (slot === -1 || one.has(slot)) victims.push(one);
    }
    this.pacers = this.pacers.filter(({ isDone }) => !isDone);
    if (victims.length > 0) this.pacers.push(new Pacer(this.engine, slot, victims, perSecond, reason));
  }

  /** What is being closed, at a pace. */
  get closing(): Closing[] {
    return this.pacers
      .filter(({ isDone }) => !isDone)
      .map(({ slot, perSecond, reason }) => ({ slot, perSecond, reason }));
  }

  /** Services that are no longer in the plan and still have connections. */
  get leaving(): ServicePlan[] {
    return Array.from(this.retired, ({ plan }) => plan);
  }

  /** Serve the connections of a service that another process had retired; `forget` it when there are none. */
  async adoptRetired(plan: ServicePlan): Promise<void> {
    if (this.serviceAt(plan.slot) !== undefined) return;
    const { service, commit } = await this.load(plan);
    commit(plan);
    if (service instanceof UdpService) service.closed = true;
    this.retired.add(service);
  }

  /** The service in a slot, one on its way out included. */
  serviceAt(slot: number): Service | undefined {
    const served = this.services.get(slot)?.service;
    if (served !== undefined) return served;
    for (const service of this.retired) if (service.plan.slot === slot) return service;
    return undefined;
  }

  /** The datagram listeners of an address. */
  datagramListeners(key: string): readonly DatagramListener[] {
    return this.listeners.datagram(key);
  }

  /** Where a datagram listener stands. */
  placeOf(listener: DatagramListener): { readonly key: string; readonly index: number } | undefined {
    return this.listeners.placeOf(listener);
  }

  /** The connections of one service, as far as they are wanted. */
  list(query: ConnectionQuery): ConnectionList {
    this.settle();
    return listConnections(this.allOf(query.service), query, this.table.index);
  }

  /** End these connections of a service now; how many of them were still there. */
  end(service: number, ids: readonly number[], reason: CloseReason, detail: string): number {
    const serials = new Set(ids.map(serialOf));
    const found = [...this.allOf(service)].filter(({ serial }) => serials.has(serial));
    for (const one of found) one.end(reason, detail);
    return found.length;
  }

  /** A number for a connection or flow that begins. */
  nextSerial(): number {
    return this.serial++;
  }

  /** Bring the totals up to date. */
  settle(): void {
    const now = this.engine.now();
    for (const service of this.all()) service.settle(now);
  }

  /** Close every socket now. */
  async destroy(reason: CloseReason): Promise<void> {
    await this.stopAccepting();
    this.close(-1, Number.POSITIVE_INFINITY, reason);
    await this.listeners.close();
    this.engine.stop();
  }

  /** Another thread has given something back: take what those who wait here can have. */
  look(): void {
    this.room.look();
    for (const service of this.all()) service.serveQueue();
  }

  /** Real traffic failed at a backend: enough of it in a row marks the backend down. */
  backendFailed(slot: number, limit: number, reason: string): void {
    const failures = Atomics.add(this.table.failures, slot, 1) + 1;
    if (limit > 0 && failures >= limit) {
      const what = failures === 1 ? 'a connection failed' : `${failures} connections failed`;
      this.sink.backendFailing(slot, `${what}: ${reason}`);
    }
  }

  /** A retired service whose last connection is over is forgotten. */
  forget(service: Service): void {
    if (service.size === 0) this.retired.delete(service);
  }

  private *allOf(slot: number): Iterable<Connection | UdpFlow> {
    for (const service of this.all()) if (service.plan.slot === slot) yield* service.all();
  }

  *all(): Iterable<Service> {
    for (const { service } of this.services.values()) yield service;
    yield* this.retired;
  }

  /** What will serve the service: what does so already where there is such, with new strategies if they changed. */
  private async load(plan: ServicePlan): Promise<Served> {
    const old = this.services.get(plan.slot);
    const strategy = JSON.stringify(plan.strategy);
    if (old?.strategy === strategy) {
      const { service } = old;
      return { service, strategy, commit: next => service.update(next) };
    }
    const [primary, backup] = await this.loadStrategy(plan.strategy, this.table.memories(plan.slot));
    if (old !== undefined) {
      const { service } = old;
      return {
        service,
        strategy,
        commit: next => {
          service.picker.setStrategies(primary, backup);
          service.update(next);
        },
      };
    }
    const picker = new Picker(this.table, plan.slot, primary, backup);
    const service =
      plan.protocol === 'tcp' ? new TcpService(this, plan, picker) : new UdpService(this, plan, picker);
    return { service, strategy, commit: next => service.update(next) };
  }

  private retire(service: Service): void {
    service.endWaiting('drained');
    if (service instanceof UdpService) service.closed = true;
    if (service.size > 0) this.retired.add(service);
  }
}

function observers(services: ReadonlyMap<number, Served>): Observers {
  return {
    stream: slot => services.get(slot)!.service as TcpService,
    datagram: slot => services.get(slot)!.service as UdpService,
  };
}

import type { Config } from '../config/schema.js';
import { didYouMean, quote } from '../config/text.js';
import type { Resolver } from '../discovery/resolver.js';
import { systemResolver } from '../discovery/system.js';
import { Lb4Error } from '../errors.js';
import type { Listening } from '../flow/listeners.js';
import { Checks } from '../health/checks.js';
import type { Plan } from '../pool/plan.js';
import { SlotAllocator, type SlotsState } from '../pool/slots.js';
import { PROCESS_SLOT, type SharedTable, type SlotState } from '../pool/table.js';
import { copyTotals, readTotals, type TotalsCopy } from '../pool/totals.js';
import { type Budget, divideDescriptors, fileDescriptorLimit } from '../system-limits.js';
import type { Heirloom } from '../threads/handover.js';
import type { Plane } from '../threads/plane.js';
import type { Turn } from '../turn.js';
import { Departed } from './departed.js';
import { Drains, drainPace } from './drains.js';
import type { EventHub } from './events.js';
import type { Journal } from './journal.js';
import { measureServices, type ServiceMeasures } from './measure.js';
import {
  requireService,
  ServiceControl,
  type ServiceDeps,
  type ServiceOutline,
  type ServiceState,
} from './service.js';
import type { PassedSockets } from './sockets.js';

export interface ServiceSetInit {
  readonly config: Config;
  readonly table: SharedTable;
  readonly journal: Journal;
  readonly events: EventHub;
  /** Default: names as this machine understands them. */
  readonly resolver: Resolver | undefined;
  readonly sockets: PassedSockets;
  /** Changes of the plan are made one after the other. */
  readonly turn: Turn;
}

/** What another process needs to go on with the services. */
export interface ServicesOutline {
  readonly slots: SlotsState;
  readonly services: readonly ServiceOutline[];
  /** Gone from the configuration, but with connections. */
  readonly retired: readonly ServiceOutline[];
}

/** What is counted and remembered in the table. */
export interface ServicesNumbers {
  readonly slots: readonly SlotState[];
  readonly totals: TotalsCopy;
  /** What was counted of those who are gone: service and backend, and their totals in the same order. */
  readonly departed: readonly (readonly [service: string, id: string])[];
  readonly departedTotals: TotalsCopy;
}

/** All services and the plan that follows from them, from one configuration to the next. */
export class ServiceSet {
  config: Config;
  /** Where the data plane listens. */
  listening: readonly Listening[] = [];
  readonly drains = new Drains();
  private readonly table: SharedTable;
  private readonly journal: Journal;
  private readonly turn: Turn;
  private readonly slots: SlotAllocator;
  private readonly deps: ServiceDeps;
  private plane: Plane | undefined;
  private services = new Map<string, ServiceControl>();
  /** Gone from the configuration, but with connections. */
  private readonly retired = new Set<ServiceControl>();
  private readonly departed = new Departed();
  private replanned = false;
  private frozen = false;
  /** Who is there stays there: no backend comes, goes or is forgotten. */
  private held = false;

  constructor({
    config,
    table,
    journal,
    events,
    resolver = systemResolver(),
    sockets,
    turn,
  }: ServiceSetInit) {
    this.config = config;
    this.table = table;
    this.journal = journal;
    this.turn = turn;
    this.slots = new SlotAllocator(table);
    this.deps = {
      table,
      slots: this.slots,
      events,
      resolver,
      sockets,
      checks: new Checks(),
      threads: () => this.plane!.threads,
      onBackends: () => this.replan(),
      onRemoved: (backend, remaining) => {
        const close = (): void => this.plane!.close(backend.slot, drainPace(backend.active), 'drained');
        if (remaining !== undefined) return this.drains.within(remaining, close);
        return this.drains.after(this.config.runtime.drain_timeout, close);
      },
      onForgotten: ({ service, id, slot }) => this.departed.add(service, id, table.tally(slot)),
      onDown: backend => this.plane!.close(backend.slot, Number.POSITIVE_INFINITY, 'backend_down'),
    };
  }

  get list(): readonly ServiceControl[] {
    return [...this.services.values()];
  }

  /** The service of this name. Throws Lb4Error LB4_NOT_FOUND. */
  find(name: string): ServiceControl {
    const service = this.services.get(name);
    if (service !== undefined) return service;
    const hint = didYouMean(name, [...this.services.keys()]);
    throw new Lb4Error('LB4_NOT_FOUND', `no service ${quote(name)}${hint}`);
  }

  /** Serve the configuration on this data plane. Rejects with Lb4Error; then nothing listens. */
  async start(plane: Plane, inherited: readonly Heirloom[]): Promise<void> {
    this.plane = plane;
    await this.change(this.config, inherited);
    for (const socket of this.deps.sockets.unused)
      this.journal.log.warn({ socket }, 'a passed socket is not used by any service');
  }

  /**
   * From the configuration in force to this one; to be called in turn. All or nothing: rejects with Lb4Error and has
   * changed nothing. Resolves to what was changed while running and gives way to the configuration, in words.
   */
  async change(config: Config, inherited: readonly Heirloom[] = []): Promise<readonly string[]> {
    const plane = this.plane!;
    await Promise.all(Object.values(config.services).map(requireService));
    const added = Object.values(config.services)
      .filter(({ name, protocol }) => this.services.get(name)?.config.protocol !== protocol)
      .map(service => new ServiceControl(service, this.deps));
    const fresh = new Map(added.map(service => [service.config.name, service]));
    const next = new Map(
      Object.keys(config.services).map(name => [name, fresh.get(name) ?? this.services.get(name)!]),
    );
    try {
      await Promise.all(added.map(service => service.start()));
      await plane.prepare(this.plan(config, next), inherited);
      // From here on nothing fails. What is removed below drains as long as the new configuration says.
      this.config = config;
      const overruled = await Promise.all(
        [...next.values()]
          .filter(service => !added.includes(service))
          .map(service => this.update(service, config)),
      );
      const gone = this.list.filter(service => next.get(service.config.name) !== service);
      this.services = next;
      this.journal.connections = config.log.connections;
      plane.wantRecords(config.log.connections);
      this.listening = await plane.commit(this.plan(config, next));
      for (const service of added) service.serve();
      for (const service of gone) this.retire(service);
      return overruled.flat();
    } catch (error) {
      for (const service of added) {
        service.discard();
        this.retired.add(service);
      }
      throw error;
    }
  }

  /** Resolves when the data plane has every change of backends that was made so far. */
  planned(): Promise<void> {
    return this.turn.take(async () => {});
  }

  /** Real traffic failed too often in a row at the backend in this slot. */
  passiveFailure(slot: number, reason: string): void {
    for (const service of this.services.values()) service.passiveFailure(slot, reason);
  }

  /** Housekeeping, about once a second: averages sink, backends and services that have left are forgotten. */
  tick(now: number): void {
    for (const service of [...this.services.values(), ...this.retired]) {
      for (const backend of service.list) backend.sinkLatency(now);
      if (!this.held) service.sweep();
    }
    if (this.held) return;
    for (const service of this.retired) {
      if (!service.gone) continue;
      const { name } = service.config;
      this.retired.delete(service);
      if (this.services.has(name)) this.departed.add(name, '', this.table.tally(service.slot));
      else this.departed.forget(name);
      this.slots.free(service.slot);
    }
  }

  /** Everything that is counted of the services, those on their way out included. */
  measure(): ServiceMeasures[] {
    const leaving = [...this.retired].filter(({ served }) => served);
    return measureServices([...this.services.values(), ...leaving], this.departed, this.table);
  }

  /** Keep services, backends and their slots as they are until `release`; to be called in turn. What changes beside that does. */
  hold(): void {
    this.held = true;
    for (const service of this.services.values()) service.hold();
  }

  release(): void {
    this.held = false;
    for (const service of this.services.values()) service.release();
  }

  /** What another process needs to have the same services. Call it while held. */
  get outline(): ServicesOutline {
    return {
      slots: this.slots.state,
      services: this.list.map(({ outline }) => outline),
      retired: [...this.retired].map(({ outline }) => outline),
    };
  }

  /** What is known about them, but for the numbers in the table. */
  get state(): readonly ServiceState[] {
    return [...this.services.values(), ...this.retired].map(({ state }) => state);
  }

  /** The numbers, as of now. */
  get numbers(): ServicesNumbers {
    const { table } = this;
    const slots = [PROCESS_SLOT, ...this.slotsInUse()];
    const departed = [...this.departed.entries()];
    return {
      slots: slots.map(slot => table.readSlot(slot)),
      totals: copyTotals(new Map(slots.map(slot => [slot, table.tally(slot)]))),
      departed: departed.map(([service, id]) => [service, id]),
      departedTotals: copyTotals(new Map(departed.map(([, , tally], i) => [i, tally]))),
    };
  }

  /**
   * Have the services that another process has, on a data plane on standby. Nothing is probed, looked up or told before
   * `resume`. Rejects with Lb4Error.
   */
  async restore(plane: Plane, outline: ServicesOutline, inherited: readonly Heirloom[]): Promise<void> {
    this.plane = plane;
    this.hold();
    this.slots.state = outline.slots;
    const restored = outline.services.map(one => ServiceControl.restore(one, this.deps));
    this.services = new Map(restored.map(service => [service.config.name, service]));
    for (const one of outline.retired) this.retired.add(ServiceControl.restore(one, this.deps));
    this.journal.connections = this.config.log.connections;
    plane.wantRecords(this.config.log.connections);
    // Connections of services that are gone need them too: the data plane retires them as it has done in the other process.
    const retired = [...this.retired].filter(({ served }) => served);
    const all = this.plan(this.config, this.services);
    const gone = retired.map(service => ({ ...service.plan(service.config), listen: [] }));
    await plane.prepare({ ...all, services: [...all.services, ...gone] }, inherited);
    this.listening = await plane.commit({ ...all, services: [...all.services, ...gone] });
  }

  /**
   * Whether this configuration could be taken, without taking it: probes, strategies, addresses. Rejects with Lb4Error, as
   * `change` would.
   */
  async rehearse(config: Config): Promise<void> {
    const before = this.slots.state;
    await Promise.all(Object.values(config.services).map(requireService));
    const added = Object.values(config.services)
      .filter(({ name, protocol }) => this.services.get(name)?.config.protocol !== protocol)
      .map(service => new ServiceControl(service, this.deps));
    const fresh = new Map(added.map(service => [service.config.name, service]));
    const next = new Map(
      Object.keys(config.services).map(name => [name, fresh.get(name) ?? this.services.get(name)!]),
    );
    try {
      await this.plane!.prepare(this.plan(config, next));
      await this.plane!.abandon();
    } finally {
      for (const service of added) service.discard();
      this.slots.state = before;
    }
  }

  /** Bring everything to what it is in the other process; as often as wanted before `resume`. */
  catchUp(states: readonly ServiceState[], numbers: ServicesNumbers): void {
    const { table } = this;
    for (const slot of numbers.slots) table.writeSlot(slot);
    for (const [slot, tally] of readTotals(numbers.totals)) table.writeTally(slot, tally);
    const tallies = readTotals(numbers.departedTotals);
    this.departed.clear();
    for (const [i, [service, id]] of numbers.departed.entries())
      this.departed.add(service, id, tallies.get(i)!);
    for (const [service, state] of this.pairs(states)) service.catchUp(state);
    table.bump();
  }

  /** Look after everything from now on. */
  resume(states: readonly ServiceState[]): void {
    this.held = false;
    for (const [service, state] of this.pairs(states)) service.resume(state, this.retired.has(service));
    // What serves nobody any more but has connections has been in the plan for them.
    if (this.retired.size > 0) this.replan();
  }

  /** The data plane gets no plan any more: what it has stopped listening to stays closed. */
  freeze(): void {
    this.frozen = true;
  }

  /** No more probes, look-ups and timers. */
  stop(): void {
    this.freeze();
    this.deps.resolver.cancel();
    this.drains.stop();
    for (const service of [...this.services.values(), ...this.retired]) service.stop();
  }

  /** The backends of some service changed: tell the data plane, once for all changes of this turn. */
  private replan(): void {
    if (this.replanned || this.frozen) return;
    this.replanned = true;
    void this.turn
      .take(async () => {
        this.replanned = false;
        if (this.frozen) return;
        const plan = this.plan(this.config, this.services);
        await this.plane!.prepare(plan);
        this.listening = await this.plane!.commit(plan);
      })
      .catch(error => this.journal.log.error({ err: error }, 'cannot take the changed list of backends'));
  }

  private async update(service: ServiceControl, { services }: Config): Promise<string[]> {
    const { name } = service.config;
    const overruled = await service.update(services[name]!);
    return overruled.map(line => `service ${name}: ${line}`);
  }

  private *slotsInUse(): Iterable<number> {
    for (const service of [...this.services.values(), ...this.retired]) {
      yield service.slot;
      for (const { slot } of [...service.list, ...service.leaving]) yield slot;
    }
  }

  /** Services with what another process knew of them. */
  private *pairs(states: readonly ServiceState[]): Iterable<readonly [ServiceControl, ServiceState]> {
    const bySlot = new Map(states.map(state => [state.slot, state]));
    for (const service of [...this.services.values(), ...this.retired]) {
      const one = bySlot.get(service.slot);
      if (one !== undefined) yield [service, one];
    }
  }

  private retire(service: ServiceControl): void {
    service.retire();
    this.retired.add(service);
  }

  private plan(config: Config, services: ReadonlyMap<string, ServiceControl>): Plan {
    const plans = [...services].map(([name, service]) => service.plan(config.services[name]!));
    return { services: plans, maxConnections: descriptorBudget(config).maxConnections };
  }
}

/** How this process divides its descriptors under a configuration. */
export function descriptorBudget(config: Config): Budget {
  const services = Object.values(config.services);
  const fixed = services.reduce((sum, { listen, backends }) => sum + listen.length + backends.length, 0);
  return divideDescriptors(fileDescriptorLimit(), fixed, config.runtime.max_connections);
}

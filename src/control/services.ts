import type { Config, ServiceConfig } from '../config/schema.js';
import type { Resolver } from '../discovery/resolver.js';
import { systemResolver } from '../discovery/system.js';
import type { Listening } from '../flow/listeners.js';
import { Checks } from '../health/checks.js';
import type { Plan } from '../pool/plan.js';
import type { SharedTable } from '../pool/table.js';
import { type Budget, divideDescriptors, fileDescriptorLimit } from '../system-limits.js';
import type { Heirloom } from '../threads/handover.js';
import type { Plane } from '../threads/plane.js';
import type { Turn } from '../turn.js';
import { Drains, drainPace } from './drains.js';
import type { EventHub } from './events.js';
import type { Journal } from './journal.js';
import { requireService, ServiceControl, type ServiceDeps, type ServiceState } from './service.js';
import { ServiceRegister } from './service-register.js';
import { resumeServices, type ServicesOutline } from './services-estate.js';
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

type ServiceMap = ReadonlyMap<string, ServiceControl>;

/** All services and the plan that follows from them, from one configuration to the next. */
export class ServiceSet {
  config: Config;
  /** Where the data plane listens. */
  listening: readonly Listening[] = [];
  readonly drains = new Drains();
  readonly register: ServiceRegister;
  private readonly journal: Journal;
  private readonly turn: Turn;
  private readonly deps: ServiceDeps;
  private plane: Plane | undefined;
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
    this.journal = journal;
    this.turn = turn;
    this.register = new ServiceRegister(table);
    const { slots, departed } = this.register;
    this.deps = {
      table,
      slots,
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
      onForgotten: ({ service, id, slot }) => departed.add(service, id, table.tally(slot)),
      onDown: backend => this.plane!.close(backend.slot, Number.POSITIVE_INFINITY, 'backend_down'),
    };
  }

  get list(): readonly ServiceControl[] {
    return this.register.list;
  }

  /** The service of this name. Throws Lb4Error LB4_NOT_FOUND. */
  find(name: string): ServiceControl {
    return this.register.find(name);
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
    const { register } = this;
    const { next, added } = await this.draft(config);
    try {
      await Promise.all(added.map(service => service.start()));
      await plane.prepare(this.plan(config, next), inherited);
      // From here on nothing fails. What is removed below drains as long as the new configuration says.
      this.config = config;
      const kept = [...next.values()].filter(service => !added.includes(service));
      const overruled = await Promise.all(kept.map(service => this.update(service, config)));
      const gone = this.list.filter(service => next.get(service.config.name) !== service);
      register.current = next;
      this.applyLog();
      this.listening = await plane.commit(this.plan(config, next));
      for (const service of added) service.serve();
      for (const service of gone) register.retire(service);
      return overruled.flat();
    } catch (error) {
      for (const service of added) register.discard(service);
      throw error;
    }
  }

  /**
   * Whether this configuration could be taken, without taking it: probes, strategies, addresses. Rejects with Lb4Error, as
   * `change` would.
   */
  async rehearse(config: Config): Promise<void> {
    const { slots } = this.register;
    const before = slots.state;
    const { next, added } = await this.draft(config);
    try {
      await this.plane!.prepare(this.plan(config, next));
      await this.plane!.abandon();
    } finally {
      for (const service of added) service.discard();
      slots.state = before;
    }
  }

  /** Resolves when the data plane has every change of backends that was made so far. */
  planned(): Promise<void> {
    return this.turn.take(async () => {});
  }

  /** Real traffic failed too often in a row at the backend in this slot. */
  passiveFailure(slot: number, reason: string): void {
    for (const service of this.list) service.passiveFailure(slot, reason);
  }

  /** Housekeeping, about once a second: averages sink, backends and services that have left are forgotten. */
  tick(now: number): void {
    for (const { backends } of this.register.everyone) {
      for (const backend of backends.list) backend.sinkLatency(now);
    }
    if (!this.held) this.register.sweep();
  }

  /** Keep services, backends and their slots as they are until `release`; to be called in turn. What changes beside that does. */
  hold(): void {
    this.held = true;
    for (const { backends } of this.list) backends.hold();
  }

  release(): void {
    this.held = false;
    for (const { backends } of this.list) backends.release();
  }

  /**
   * Have the services that another process has, on a data plane on standby. Nothing is probed, looked up or told before
   * `resume`. Rejects with Lb4Error.
   */
  async restore(
    plane: Plane,
    { slots, services, retired }: ServicesOutline,
    inherited: readonly Heirloom[],
  ): Promise<void> {
    const { register } = this;
    this.plane = plane;
    this.hold();
    register.slots.state = slots;
    const restored = services.map(one => ServiceControl.restore(one, this.deps));
    register.current = new Map(restored.map(service => [service.config.name, service]));
    for (const one of retired) register.retired.add(ServiceControl.restore(one, this.deps));
    this.applyLog();
    // Connections of services that are gone need them too: the data plane retires them as it has done in the other process.
    const gone = register.leaving.map(service => ({ ...service.plan(service.config), listen: [] }));
    const all = this.plan(this.config, register.current);
    const plan = { ...all, services: [...all.services, ...gone] };
    await plane.prepare(plan, inherited);
    this.listening = await plane.commit(plan);
  }

  /** After `restore`: look after everything from now on. */
  resume(states: readonly ServiceState[]): void {
    this.held = false;
    resumeServices(states, this.register);
    // What serves nobody any more but has connections has been in the plan for them.
    if (this.register.retired.size > 0) this.replan();
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
    for (const service of this.register.everyone) service.stop();
  }

  /** The services that a configuration would have, those that are new among them. Rejects with Lb4Error. */
  private async draft(config: Config): Promise<{ next: ServiceMap; added: readonly ServiceControl[] }> {
    const services = Object.values(config.services);
    await Promise.all(services.map(requireService));
    const { current, slots } = this.register;
    const isNew = ({ name, protocol }: ServiceConfig): boolean =>
      current.get(name)?.config.protocol !== protocol;
    const fresh = services.filter(isNew);
    slots.expect(fresh.length);
    const added = fresh.map(service => new ServiceControl(service, this.deps));
    const byName = new Map(added.map(service => [service.config.name, service]));
    const next = new Map(services.map(({ name }) => [name, byName.get(name) ?? current.get(name)!]));
    return { next, added };
  }

  private applyLog(): void {
    const { connections } = this.config.log;
    this.journal.connections = connections;
    this.plane!.wantRecords(connections);
  }

  /** The backends of some service changed: tell the data plane, once for all changes of this turn. */
  private replan(): void {
    if (this.replanned || this.frozen) return;
    this.replanned = true;
    void this.turn
      .take(async () => {
        this.replanned = false;
        if (this.frozen) return;
        const plan = this.plan(this.config, this.register.current);
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

  private plan(config: Config, services: ServiceMap): Plan {
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

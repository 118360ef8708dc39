import type { Config } from '../config/schema.js';
import { didYouMean, quote } from '../config/text.js';
import type { Resolver } from '../discovery/resolver.js';
import { systemResolver } from '../discovery/system.js';
import { Lb4Error } from '../errors.js';
import type { Listening } from '../flow/listeners.js';
import { Checks } from '../health/checks.js';
import type { Plan } from '../pool/plan.js';
import { type SharedTable, SlotAllocator } from '../pool/table.js';
import { type Budget, divideDescriptors, fileDescriptorLimit } from '../system-limits.js';
import type { Plane } from '../threads/plane.js';
import type { Turn } from '../turn.js';
import { Departed } from './departed.js';
import { Drains, drainPace } from './drains.js';
import type { EventHub } from './events.js';
import type { Journal } from './journal.js';
import { measureServices, type ServiceMeasures } from './measure.js';
import { requireService, ServiceControl, type ServiceDeps } from './service.js';
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
      onRemoved: backend =>
        this.drains.after(this.config.runtime.drain_timeout, () => {
          this.plane!.close(backend.slot, drainPace(backend.active), 'drained');
        }),
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
  async start(plane: Plane): Promise<void> {
    this.plane = plane;
    await this.change(this.config);
    for (const socket of this.deps.sockets.unused)
      this.journal.log.warn({ socket }, 'a passed socket is not used by any service');
  }

  /**
   * From the configuration in force to this one; to be called in turn. All or nothing: rejects with Lb4Error and has
   * changed nothing. Resolves to what was changed while running and gives way to the configuration, in words.
   */
  async change(config: Config): Promise<readonly string[]> {
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
      await plane.prepare(this.plan(config, next));
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
      service.sweep();
    }
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

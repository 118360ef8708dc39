import { isDeepStrictEqual } from 'node:util';
import type { ServiceConfig } from '../config/schema.js';
import type { Resolver } from '../discovery/resolver.js';
import { SharedClients } from '../flow/shared-clients.js';
import type { CheckResult } from '../health/checker.js';
import type { Checks } from '../health/checks.js';
import { HealthMonitor, type MonitorState } from '../health/monitor.js';
import { requireProbe } from '../health/probes/index.js';
import type { Backend } from '../pool/backend.js';
import type { ServicePlan } from '../pool/plan.js';
import type { SlotAllocator } from '../pool/slots.js';
import type { SharedTable } from '../pool/table.js';
import type { Drain } from './drains.js';
import type { EventHub } from './events.js';
import { monitorConfig, servicePlan } from './plan.js';
import { type BackendsOutline, type BackendsState, ServiceBackends } from './service-backends.js';
import type { PassedSockets } from './sockets.js';

export interface ServiceDeps {
  readonly table: SharedTable;
  readonly slots: SlotAllocator;
  readonly events: EventHub;
  readonly resolver: Resolver;
  readonly sockets: PassedSockets;
  /** Where servers are asked how they are, each once for all services. */
  readonly checks: Checks;
  /** Data-plane threads. */
  threads(): number;
  /** The list of backends is another one: the data plane needs a new plan. */
  onBackends(): void;
  /** A backend is no longer in the list: it drains for the configured time, or for so many ms more. */
  onRemoved(backend: Backend, remaining?: number): Drain;
  /** A backend that has left has no connection any more, and its slot will be another's. */
  onForgotten(backend: Backend): void;
  /** End the open connections of a backend that went down. */
  onDown(backend: Backend): void;
}

/** The last finished probe of a backend. */
export interface LastCheck {
  readonly at: Date;
  readonly result: CheckResult;
}

/** What another process needs to have the same service with the same backends. */
export interface ServiceOutline {
  readonly config: ServiceConfig;
  readonly slot: number;
  readonly served: boolean;
  readonly backends: BackendsOutline;
}

/** What is known about a service beside that, and changes all the time. */
export interface ServiceState {
  readonly slot: number;
  readonly backends: BackendsState;
  readonly monitor: MonitorState;
  /** By the backends' slots. */
  readonly lastChecks: readonly (readonly [slot: number, check: LastCheck])[];
}

/** Rejects with Lb4Error LB4_CONFIG when such a service cannot be looked after here. */
export function requireService({ health }: ServiceConfig): Promise<void> {
  return requireProbe(health);
}

/** The control plane of one service: its backends, how they are, and the plan that follows from that. */
export class ServiceControl {
  readonly slot: number;
  config: ServiceConfig;
  readonly backends: ServiceBackends;
  readonly lastChecks = new WeakMap<Backend, LastCheck>();
  private readonly deps: ServiceDeps;
  private readonly monitor: HealthMonitor;
  /** The data plane has it, or had it. */
  served = false;
  /** Where several threads count this service's clients, from the first limit on: counts outlive a change of limits. */
  private clients: SharedArrayBuffer | undefined;

  /** `slot`: one that is taken already. */
  constructor(config: ServiceConfig, deps: ServiceDeps, slot?: number) {
    const { table, slots, events, resolver, checks } = deps;
    this.config = config;
    this.deps = deps;
    this.slot = slot ?? slots.take();
    const totals = table.controlTotals();
    this.monitor = new HealthMonitor(monitorConfig(config), {
      onCheck: (backend, result) => {
        this.lastChecks.set(backend, { at: new Date(), result });
        totals.checked(backend.slot, result.result, result.durationMs);
      },
      onChange: backend => {
        if (backend.health !== 'checking') totals.healthChanges[backend.slot]!++;
        // It may have moved: DNS knows, perhaps.
        if (backend.health === 'down') this.backends.suspect(backend);
      },
      onDown: backend => deps.onDown(backend),
      checks,
      onPanic: panic => this.setPanic(panic),
      onSplitBrain: ({ primaries, kept }) => {
        const service = config.name;
        if (primaries.length === 0) events.emit({ type: 'split_brain_over', service });
        else events.emit({ type: 'split_brain', service, primaries, kept });
      },
    });
    this.backends = new ServiceBackends({
      config,
      table,
      slots,
      events,
      resolver,
      served: () => this.served,
      onList: () => {
        if (this.served) this.watch();
        deps.onBackends();
      },
      onAdmin: backend => this.monitor.adminChanged(backend),
      onRemoved: backend => {
        this.monitor.remove(backend);
        return deps.onRemoved(backend);
      },
      onForgotten: backend => {
        if (this.served) deps.onForgotten(backend);
      },
    });
  }

  /** The plan with these settings, and the backends that there are now. */
  plan(config: ServiceConfig): ServicePlan {
    const limited = config.max_connections_per_client > 0 || config.connection_rate_per_client > 0;
    const threads = this.deps.threads();
    if (limited && threads > 1) this.clients ??= SharedClients.create(threads);
    return servicePlan(this.slot, config, this.backends.list, this.deps.sockets, this.clients);
  }

  /** Find the backends. Resolves when each name was looked up once, or after 3 s; never rejects. */
  start(): Promise<void> {
    return this.backends.start();
  }

  /** The data plane serves it now: begin to look after the backends. One that never serves leaves no trace. */
  serve(): void {
    this.served = true;
    this.watch();
  }

  /**
   * Take a changed configuration: what is the same goes on as it was. Resolves to what was changed while running and
   * gives way to it, in words.
   */
  update(config: ServiceConfig): Promise<string[]> {
    const before = this.config;
    this.config = config;
    for (const backend of this.backends.list) backend.setTrusted(config.health.role === 'any');
    if (!isDeepStrictEqual(monitorConfig(before), monitorConfig(config))) {
      this.monitor.update(monitorConfig(config));
    }
    return this.backends.update(config);
  }

  passiveFailure(slot: number, reason: string): void {
    const backend = this.backends.list.find(one => one.slot === slot);
    if (backend !== undefined) this.monitor.passiveFailure(backend, reason);
  }

  /** True when a new connection would find a backend. */
  get usable(): boolean {
    return this.backends.list.some(
      ({ state, weight, trusted }) =>
        weight > 0 &&
        (state === 'up' || (state === 'checking' && trusted) || (state === 'down' && this.monitor.panic)),
    );
  }

  get outline(): ServiceOutline {
    const { config, slot, served, backends } = this;
    return { config, slot, served, backends: backends.outline };
  }

  get state(): ServiceState {
    const { slot, backends, monitor } = this;
    const lastChecks = this.backends.everyone.flatMap(backend => {
      const check = this.lastChecks.get(backend);
      return check === undefined ? [] : [[backend.slot, check] as const];
    });
    return { slot, backends: backends.state, monitor: monitor.state, lastChecks };
  }

  /** A service as another process had it, in its slot; nothing is probed or looked up before `resume`. */
  static restore({ config, slot, served, backends }: ServiceOutline, deps: ServiceDeps): ServiceControl {
    const service = new ServiceControl(config, deps, slot);
    service.served = served;
    service.backends.restore(backends);
    return service;
  }

  /** Bring it to what it was in the end. The list of backends is the one that was restored. */
  catchUp({ backends, lastChecks }: ServiceState): void {
    this.backends.catchUp(backends);
    const checks = new Map(lastChecks);
    for (const backend of this.backends.everyone) {
      const check = checks.get(backend.slot);
      if (check !== undefined) this.lastChecks.set(backend, check);
    }
  }

  /** Look after the backends from now on; `retired`: only after what drains. */
  resume({ backends, monitor }: ServiceState, retired: boolean): void {
    this.backends.resumeDrains(backends, (backend, remaining) => this.deps.onRemoved(backend, remaining));
    if (retired) {
      this.stop();
      return;
    }
    this.monitor.resume(monitor, this.backends.list);
    this.backends.resume(backends);
  }

  /** Stop looking after the backends; they drain. Then `gone` tells when the last connection is over. */
  retire(): void {
    this.stop();
    this.backends.retire();
  }

  /** Let go of a service that was never served: nothing drains and nobody needs to hear of it. */
  discard(): void {
    this.stop();
    this.backends.discard();
  }

  get gone(): boolean {
    return this.backends.settled && Atomics.load(this.deps.table.active, this.slot) === 0;
  }

  stop(): void {
    this.backends.stop();
    this.monitor.stop();
  }

  private watch(): void {
    for (const backend of this.backends.list) this.monitor.add(backend);
    this.monitor.refresh();
  }

  private setPanic(panic: boolean): void {
    const { table, events } = this.deps;
    Atomics.store(table.panic, this.slot, panic ? 1 : 0);
    table.bump();
    events.emit({ type: 'panic', service: this.config.name, on: panic });
  }
}

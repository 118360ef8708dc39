import { isDeepStrictEqual } from 'node:util';
import type { BackendConfig, ServiceConfig } from '../config/schema.js';
import { quote } from '../config/text.js';
import { Discovery, type DiscoveryState } from '../discovery/discovery.js';
import type { Resolver } from '../discovery/resolver.js';
import { Lb4Error } from '../errors.js';
import { SharedClients } from '../flow/shared-clients.js';
import type { CheckResult } from '../health/checker.js';
import type { Checks } from '../health/checks.js';
import { HealthMonitor, type MonitorState } from '../health/monitor.js';
import { requireProbe } from '../health/probes/index.js';
import type { AdminState, Backend } from '../pool/backend.js';
import type { ServicePlan } from '../pool/plan.js';
import type { SlotAllocator } from '../pool/slots.js';
import type { SharedTable } from '../pool/table.js';
import type { Drain } from './drains.js';
import type { EventHub } from './events.js';
import { checkNewEntry } from './new-entry.js';
import { monitorConfig, servicePlan } from './plan.js';
import { Roster, type RosterState } from './roster.js';
import { type RuntimeChange, RuntimeChanges, type RuntimeState } from './runtime.js';
import type { PassedSockets } from './sockets.js';

const BY_OPERATOR = 'by operator';
const BY_NAME = 'its name no longer resolves to it';

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
  readonly runtime: RuntimeState;
  readonly discovery: DiscoveryState;
  readonly roster: RosterState;
}

/** What is known about a service beside that, and changes all the time. */
export interface ServiceState {
  readonly slot: number;
  readonly changes: RuntimeState['changes'];
  readonly discovery: DiscoveryState;
  readonly roster: RosterState;
  readonly monitor: MonitorState;
  /** By the backends' slots. */
  readonly lastChecks: readonly (readonly [slot: number, check: LastCheck])[];
}

/** Rejects with Lb4Error LB4_CONFIG when such a service cannot be looked after here. */
export function requireService({ health }: ServiceConfig): Promise<void> {
  return requireProbe(health);
}

/** The control plane of one service: where its backends come from, how they are, and the plan that follows from that. */
export class ServiceControl {
  readonly slot: number;
  config: ServiceConfig;
  readonly lastChecks = new WeakMap<Backend, LastCheck>();
  private readonly deps: ServiceDeps;
  private readonly runtime = new RuntimeChanges();
  private readonly roster: Roster;
  private readonly discovery: Discovery;
  private readonly monitor: HealthMonitor;
  /** The data plane has it, or had it. */
  served = false;
  /** Why a backend that leaves the list does so. */
  private whyGone = BY_NAME;
  /** Where several threads count this service's clients, from the first limit on: counts outlive a change of limits. */
  private clients: SharedArrayBuffer | undefined;

  /** `slot`: one that is taken already. */
  constructor(config: ServiceConfig, deps: ServiceDeps, slot?: number) {
    this.config = config;
    this.deps = deps;
    this.slot = slot ?? deps.slots.take();
    const totals = deps.table.controlTotals();
    this.monitor = new HealthMonitor(monitorConfig(config), {
      onCheck: (backend, result) => {
        this.lastChecks.set(backend, { at: new Date(), result });
        totals.checked(backend.slot, result.result, result.durationMs);
      },
      onChange: backend => {
        if (backend.health !== 'checking') totals.healthChanges[backend.slot]!++;
        // It may have moved: DNS knows, perhaps.
        if (backend.health === 'down') this.discovery.suspect(this.roster.originOf(backend).entry);
      },
      onDown: backend => deps.onDown(backend),
      checks: deps.checks,
      onPanic: panic => this.setPanic(panic),
      onSplitBrain: ({ primaries, kept }) => {
        const service = config.name;
        if (primaries.length === 0) deps.events.emit({ type: 'split_brain_over', service });
        else deps.events.emit({ type: 'split_brain', service, primaries, kept });
      },
    });
    this.roster = new Roster({
      service: config.name,
      table: deps.table,
      slots: deps.slots,
      wanted: found => this.runtime.wanted(found),
      trusted: () => this.config.health.role === 'any',
      events: deps.events,
      onAdmin: backend => this.monitor.adminChanged(backend),
      onRemoved: backend => {
        this.monitor.remove(backend);
        return deps.onRemoved(backend);
      },
      onForgotten: backend => {
        if (this.served) deps.onForgotten(backend);
      },
    });
    this.discovery = new Discovery({
      resolver: deps.resolver,
      isAmiss: ({ id }) => this.of(id).some(({ health }) => health === 'down'),
      onChange: list => {
        this.roster.reconcile(list, this.whyGone, this.served);
        if (this.served) this.watch();
        deps.onBackends();
      },
      onFailure: (entry, reason) =>
        deps.events.emit({ type: 'lookup_failed', service: config.name, name: entry.id, reason }),
      onRecovery: entry =>
        deps.events.emit({ type: 'lookup_recovered', service: config.name, name: entry.id }),
    });
  }

  get list(): readonly Backend[] {
    return this.roster.list;
  }

  /** Backends that have left the list and may have connections. */
  get leaving(): readonly Backend[] {
    return this.roster.leaving;
  }

  /** The plan with these settings, and the backends that there are now. */
  plan(config: ServiceConfig): ServicePlan {
    const limited = config.max_connections_per_client > 0 || config.connection_rate_per_client > 0;
    const threads = this.deps.threads();
    if (limited && threads > 1) this.clients ??= SharedClients.create(threads);
    return servicePlan(this.slot, config, this.list, this.deps.sockets, this.clients);
  }

  /** Find the backends. Resolves when each name was looked up once, or after 3 s; never rejects. */
  start(): Promise<void> {
    return this.discovery.use(this.config.backends);
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
  async update(config: ServiceConfig): Promise<string[]> {
    const before = this.config;
    this.config = config;
    for (const backend of this.list) backend.setTrusted(config.health.role === 'any');
    if (!isDeepStrictEqual(monitorConfig(before), monitorConfig(config))) {
      this.monitor.update(monitorConfig(config));
    }
    const overruled = this.runtime.overrule(before.backends, config.backends);
    await this.useEntries('no longer in the configuration');
    return overruled;
  }

  passiveFailure(slot: number, reason: string): void {
    const backend = this.list.find(one => one.slot === slot);
    if (backend !== undefined) this.monitor.passiveFailure(backend, reason);
  }

  /** True when a new connection would find a backend. */
  get usable(): boolean {
    return this.list.some(
      ({ state, weight, trusted }) =>
        weight > 0 &&
        (state === 'up' || (state === 'checking' && trusted) || (state === 'down' && this.monitor.panic)),
    );
  }

  /** The backend with this id. Throws Lb4Error LB4_NOT_FOUND. */
  find(id: string): Backend {
    return this.roster.find(id);
  }

  /** The same, or one that has left the list and still has connections. */
  findOpen(id: string): Backend {
    return this.roster.findLeaving(id) ?? this.find(id);
  }

  /** The backends that an entry stands for. */
  of(entry: string): readonly Backend[] {
    return this.list.filter(backend => this.roster.originOf(backend).entry.id === entry);
  }

  /** What was changed about a backend while running, and is otherwise than the configuration says. */
  runtimeOf(backend: Backend): RuntimeChange {
    return this.runtime.of(this.roster.originOf(backend));
  }

  /** Ids of the configuration's backends that were removed while running. */
  get removed(): readonly string[] {
    return this.runtime.removedIds;
  }

  setState(backend: Backend, state: AdminState): void {
    this.runtime.setState(this.roster.originOf(backend), state);
    this.roster.align(backend, BY_OPERATOR);
  }

  setWeight(backend: Backend, weight: number): void {
    this.runtime.setWeight(this.roster.originOf(backend), weight);
    this.roster.align(backend, BY_OPERATOR);
  }

  /**
   * Add an entry as the configuration would have it. Resolves when its name was looked up, or after 3 s. Rejects with
   * Lb4Error LB4_CONFLICT where it is there already, with ConfigError where it does not fit the service.
   */
  async add(entry: BackendConfig): Promise<void> {
    checkNewEntry(entry, this.config, this.entries, this.list);
    this.runtime.add(entry, this.config.backends);
    await this.useEntries('');
  }

  /**
   * Take an entry out. Resolves to its backends, which drain. Rejects with Lb4Error LB4_NOT_FOUND, or LB4_CONFLICT
   * for one of several backends that an entry stands for.
   */
  async remove(id: string): Promise<readonly Backend[]> {
    const entry = this.entries.find(one => one.id === id);
    if (entry === undefined) {
      const { entry: origin } = this.roster.originOf(this.find(id));
      throw new Lb4Error(
        'LB4_CONFLICT',
        `${quote(id)} comes from ${quote(origin.id)}, which would bring it back: remove that as a whole, or set this one to drain or maint`,
      );
    }
    const backends = this.of(id);
    this.runtime.remove(id, this.config.backends);
    await this.useEntries('removed by operator');
    return backends;
  }

  /** Forget backends that have left and whose last connection is over. Called now and then. */
  sweep(): void {
    this.roster.sweep();
  }

  /** Keep the list of backends as it is until `release`. */
  hold(): void {
    this.discovery.hold();
  }

  release(): void {
    this.discovery.release();
  }

  get outline(): ServiceOutline {
    const { config, slot, served, runtime, discovery, roster } = this;
    return {
      config,
      slot,
      served,
      runtime: runtime.state,
      discovery: discovery.state,
      roster: roster.state,
    };
  }

  get state(): ServiceState {
    const { slot, runtime, discovery, roster, monitor } = this;
    const checks = [...this.list, ...this.leaving].flatMap(backend => {
      const check = this.lastChecks.get(backend);
      return check === undefined ? [] : [[backend.slot, check] as const];
    });
    return {
      slot,
      changes: runtime.state.changes,
      discovery: discovery.state,
      roster: roster.state,
      monitor: monitor.state,
      lastChecks: checks,
    };
  }

  /** A service as another process had it, in its slot; nothing is probed or looked up before `resume`. */
  static restore(outline: ServiceOutline, deps: ServiceDeps): ServiceControl {
    const service = new ServiceControl(outline.config, deps, outline.slot);
    service.served = outline.served;
    service.runtime.restore(outline.runtime);
    service.discovery.restore(outline.discovery);
    service.roster.restore(outline.roster);
    return service;
  }

  /** Bring it to what it was in the end. The list of backends is the one that was restored. */
  catchUp(state: ServiceState): void {
    this.runtime.restoreChanges(state.changes);
    this.roster.catchUp(state.roster);
    const checks = new Map(state.lastChecks);
    for (const backend of [...this.list, ...this.leaving]) {
      const check = checks.get(backend.slot);
      if (check !== undefined) this.lastChecks.set(backend, check);
    }
  }

  /** Look after the backends from now on; `retired`: only after what drains. */
  resume(state: ServiceState, retired: boolean): void {
    this.roster.resume(state.roster, (backend, remaining) => this.deps.onRemoved(backend, remaining));
    if (retired) {
      this.stop();
      return;
    }
    this.monitor.resume(state.monitor, this.list);
    this.discovery.resume(state.discovery);
  }

  /** Stop looking after the backends; they drain. Then `gone` tells when the last connection is over. */
  retire(): void {
    this.stop();
    this.roster.retire('no longer in the configuration');
  }

  /** Let go of a service that was never served: nothing drains and nobody needs to hear of it. */
  discard(): void {
    this.stop();
    this.roster.discard();
  }

  get gone(): boolean {
    return this.roster.settled && Atomics.load(this.deps.table.active, this.slot) === 0;
  }

  stop(): void {
    this.discovery.stop();
    this.monitor.stop();
  }

  private get entries(): readonly BackendConfig[] {
    return this.runtime.entries(this.config.backends);
  }

  /** The entries changed. Those that are gone are so at once, and `why`. */
  private useEntries(why: string): Promise<void> {
    this.whyGone = why;
    const settled = this.discovery.use(this.entries);
    this.whyGone = BY_NAME;
    return settled;
  }

  private watch(): void {
    for (const backend of this.list) this.monitor.add(backend);
    this.monitor.refresh();
  }

  private setPanic(panic: boolean): void {
    const { table, events } = this.deps;
    Atomics.store(table.panic, this.slot, panic ? 1 : 0);
    table.bump();
    events.emit({ type: 'panic', service: this.config.name, on: panic });
  }
}

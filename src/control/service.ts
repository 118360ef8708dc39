import { isDeepStrictEqual } from 'node:util';
import { formatAddress } from '../address.js';
import type { BackendConfig, ServiceConfig } from '../config/schema.js';
import { didYouMean, quote } from '../config/text.js';
import { Discovery } from '../discovery/discovery.js';
import type { Discovered } from '../discovery/entry.js';
import type { Resolver } from '../discovery/resolver.js';
import { Lb4Error } from '../errors.js';
import { localHeader } from '../flow/proxy-protocol.js';
import { SharedClients } from '../flow/shared-clients.js';
import type { CheckResult } from '../health/checker.js';
import { HealthMonitor, type MonitorConfig } from '../health/monitor.js';
import { type AdminState, Backend, type Transition } from '../pool/backend.js';
import type { ServicePlan } from '../pool/plan.js';
import type { SharedTable, SlotAllocator } from '../pool/table.js';
import type { Journal } from './journal.js';
import { servicePlan } from './plan.js';

export interface ServiceDeps {
  readonly table: SharedTable;
  readonly slots: SlotAllocator;
  readonly journal: Journal;
  readonly resolver: Resolver | undefined;
  /** Data-plane threads. */
  threads(): number;
  onTransition(transition: Transition): void;
  /** The list of backends is another one: the data plane needs a new plan. */
  onBackends(): void;
  /** A backend is no longer in the list: it drains. What is returned is called if it comes back, or has nothing left to drain. */
  onRemoved(backend: Backend): () => void;
  /** End the open connections of a backend that went down. */
  onDown(backend: Backend): void;
}

/** The last finished probe of a backend. */
export interface LastCheck {
  readonly at: Date;
  readonly result: CheckResult;
}

/** The control plane of one service: where its backends come from, how they are, and the plan that follows from that. */
export class ServiceControl {
  readonly slot: number;
  config: ServiceConfig;
  readonly lastChecks = new WeakMap<Backend, LastCheck>();
  private readonly deps: ServiceDeps;
  private readonly discovery: Discovery;
  private readonly monitor: HealthMonitor;
  private serving = false;
  /** Where several threads count this service's clients, from the first limit on: counts outlive a change of limits. */
  private clients: SharedArrayBuffer | undefined;
  /** By address; the order is the file's. */
  private backends = new Map<string, Backend>();
  /** Gone from the list, but with connections; and what ends their draining. */
  private readonly leaving = new Map<Backend, () => void>();

  constructor(config: ServiceConfig, deps: ServiceDeps) {
    this.config = config;
    this.deps = deps;
    this.slot = deps.slots.take();
    this.monitor = new HealthMonitor(monitorConfig(config), {
      onCheck: (backend, result) => this.lastChecks.set(backend, { at: new Date(), result }),
      onDown: backend => deps.onDown(backend),
      onPanic: panic => {
        Atomics.store(deps.table.panic, this.slot, panic ? 1 : 0);
        deps.table.bump();
        const { log } = deps.journal;
        if (panic) log.warn({ service: this.config.name }, 'too few healthy backends: health is ignored');
        else log.info({ service: this.config.name }, 'enough healthy backends: health counts again');
      },
    });
    this.discovery = new Discovery({
      resolver: deps.resolver,
      onChange: list => this.reconcile(list),
      onFailure: (entry, reason) =>
        deps.journal.log.warn(
          { service: this.config.name, backend: entry.id, reason },
          'name look-up failed',
        ),
      onRecovery: entry =>
        deps.journal.log.info({ service: this.config.name, backend: entry.id }, 'name look-up works again'),
    });
  }

  get list(): readonly Backend[] {
    return [...this.backends.values()];
  }

  /** The plan with these settings, and the backends that there are now. */
  plan(config: ServiceConfig): ServicePlan {
    const limited = config.max_connections_per_client > 0 || config.connection_rate_per_client > 0;
    const threads = this.deps.threads();
    if (limited && threads > 1) this.clients ??= SharedClients.create(threads);
    return servicePlan(this.slot, config, this.list, this.clients);
  }

  /** Find the backends. Resolves when each name was looked up once, or after 3 s; never rejects. */
  start(): Promise<void> {
    return this.discovery.use(this.config.backends);
  }

  /** The data plane serves it now: begin to look after the backends. One that never serves leaves no trace. */
  serve(): void {
    this.serving = true;
    this.watch();
  }

  /** Take a changed configuration: what is the same goes on as it was. */
  async update(config: ServiceConfig): Promise<void> {
    const before = this.config;
    this.config = config;
    if (!isDeepStrictEqual(monitorConfig(before), monitorConfig(config))) {
      this.monitor.update(monitorConfig(config));
    }
    await this.discovery.use(config.backends);
    this.adoptDisabled(before.backends);
  }

  passiveFailure(slot: number, reason: string): void {
    const backend = this.list.find(one => one.slot === slot);
    if (backend !== undefined) this.monitor.passiveFailure(backend, reason);
  }

  /** True when a new connection would find a backend. */
  get usable(): boolean {
    return this.list.some(
      ({ state, weight }) =>
        weight > 0 && (state === 'up' || state === 'checking' || (state === 'down' && this.monitor.panic)),
    );
  }

  /** The backend with this id. Throws Lb4Error LB4_NOT_FOUND. */
  find(id: string): Backend {
    const { list } = this;
    const backend = list.find(one => one.id === id);
    if (backend !== undefined) return backend;
    const hint = didYouMean(
      id,
      list.map(one => one.id),
    );
    throw new Lb4Error(
      'LB4_NOT_FOUND',
      `no backend ${quote(id)} in service ${quote(this.config.name)}${hint}`,
    );
  }

  setState(backend: Backend, state: AdminState): void {
    backend.setAdmin(state, 'by operator');
    this.monitor.adminChanged(backend);
  }

  setWeight(backend: Backend, weight: number): void {
    backend.setWeight(weight);
  }

  /** Forget backends that have left and whose last connection is over. Called now and then. */
  sweep(): void {
    for (const [backend, endDrain] of this.leaving) {
      if (backend.active > 0) continue;
      endDrain();
      this.leaving.delete(backend);
      this.deps.slots.free(backend.slot);
    }
  }

  /** Stop looking after the backends; they drain. Then `gone` tells when the last connection is over. */
  retire(): void {
    this.discovery.stop();
    this.monitor.stop();
    for (const backend of this.backends.values()) this.remove(backend);
    this.backends.clear();
  }

  /** Let go of a service that was never served: nothing drains and nobody needs to hear of it. */
  discard(): void {
    this.stop();
    for (const backend of this.backends.values()) this.leaving.set(backend, () => {});
    this.backends.clear();
  }

  get gone(): boolean {
    return this.leaving.size === 0 && Atomics.load(this.deps.table.active, this.slot) === 0;
  }

  stop(): void {
    this.discovery.stop();
    this.monitor.stop();
  }

  private watch(): void {
    for (const backend of this.backends.values()) this.monitor.add(backend);
    this.monitor.refresh();
  }

  private reconcile(list: readonly Discovered[]): void {
    const next = new Map<string, Backend>();
    for (const found of list) {
      const key = formatAddress(found.endpoint);
      const backend = this.backends.get(key) ?? this.revive(key);
      next.set(key, backend === undefined ? this.create(found) : this.adopt(backend, found));
    }
    const old = this.backends;
    this.backends = next;
    for (const [key, backend] of old) if (!next.has(key)) this.remove(backend);
    if (this.serving) this.watch();
    this.deps.onBackends();
  }

  private create(found: Discovered): Backend {
    const init = {
      service: this.config.name,
      id: found.id,
      endpoint: found.endpoint,
      slot: this.deps.slots.take(),
      weight: found.weight,
      backup: found.backup,
      maxConnections: found.max_connections,
      admin: found.disabled ? ('maint' as const) : ('ready' as const),
    };
    return new Backend(init, this.deps.table, transition => this.deps.onTransition(transition));
  }

  private adopt(backend: Backend, found: Discovered): Backend {
    backend.id = found.id;
    backend.backup = found.backup;
    backend.maxConnections = found.max_connections;
    if (backend.weight !== found.weight) backend.setWeight(found.weight);
    return backend;
  }

  /** A backend that comes back while it drains is the one it was. */
  private revive(key: string): Backend | undefined {
    for (const [backend, endDrain] of this.leaving) {
      if (backend.key !== key) continue;
      endDrain();
      this.leaving.delete(backend);
      backend.setAdmin('ready', 'back in the configuration');
      return backend;
    }
    return undefined;
  }

  private remove(backend: Backend): void {
    this.monitor.remove(backend);
    backend.setAdmin('drain', 'no longer in the configuration');
    this.leaving.set(backend, this.deps.onRemoved(backend));
  }

  /** `disabled` is a start value: only where the file changed it does a reload change the state. */
  private adoptDisabled(before: readonly BackendConfig[]): void {
    const was = new Map(before.map(entry => [entry.id, entry.disabled]));
    for (const { entry, endpoint } of this.discovery.current) {
      if (was.get(entry.id) === undefined || was.get(entry.id) === entry.disabled) continue;
      const backend = this.backends.get(formatAddress(endpoint));
      if (backend === undefined) continue;
      backend.setAdmin(entry.disabled ? 'maint' : 'ready', 'changed in the configuration');
      this.monitor.adminChanged(backend);
    }
  }
}

function monitorConfig({ health, protocol, socket, proxy_protocol }: ServiceConfig): MonitorConfig {
  const { send } = proxy_protocol;
  return {
    settings: health,
    protocol,
    source: socket.source,
    preamble: send === 'off' ? new Uint8Array(0) : localHeader(send),
  };
}

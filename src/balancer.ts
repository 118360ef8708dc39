import { type ConfigDiff, diffConfig } from './config/diff.js';
import { parseConfigObject } from './config/parse.js';
import type { Config, ConfigInput } from './config/schema.js';
import { didYouMean, quote } from './config/text.js';
import { Journal } from './control/journal.js';
import { ServiceControl, type ServiceDeps } from './control/service.js';
import { type BackendSnapshot, type Snapshot, snapshotBackend, snapshotService } from './control/snapshot.js';
import type { Resolver } from './discovery/resolver.js';
import { Lb4Error } from './errors.js';
import type { Listening } from './flow/listeners.js';
import type { PlaneSink } from './flow/sink.js';
import { type Logger, silentLogger } from './log.js';
import { monotonic } from './monotonic.js';
import type { AdminState } from './pool/backend.js';
import { decayLatency } from './pool/latency.js';
import type { Plan } from './pool/plan.js';
import { PROCESS_SLOT, SharedTable, SlotAllocator } from './pool/table.js';
import { divideDescriptors, fileDescriptorLimit } from './system-limits.js';
import type { Plane } from './threads/plane.js';
import { startPlane, threadCount } from './threads/start.js';
import { VERSION } from './version.js';

export interface BalancerOptions {
  /** Default: none is written. */
  readonly logger?: Logger;
  /** For tests and for name services of one's own. */
  readonly resolver?: Resolver;
}

/** How often a drain looks whether it is done. */
const EMPTY_POLL_MS = 20;
/** Housekeeping: averages sink, backends that have left are forgotten. */
const TICK_MS = 1_000;
/** What is still open after the drain time is closed within this time, at no less than this many a second. */
const CLOSE_WITHIN_S = 5;
const CLOSE_AT_LEAST = 100;

/**
 * A load balancer in this process. `config` is a parsed Config, or an object of the file's shape.
 * Throws ConfigError when it does not hold. Nothing listens before `start`.
 */
export function createBalancer(config: Config | ConfigInput, options: BalancerOptions = {}): Balancer {
  return new Balancer(isParsed(config) ? config : parseConfigObject(config), options);
}

/** Control plane: decides slowly (health, discovery, reload) what the data plane does fast. */
export class Balancer {
  private config: Config;
  private readonly table: SharedTable;
  private readonly slots: SlotAllocator;
  private readonly journal: Journal;
  /** There from `start` on. */
  private plane: Plane | undefined;
  private readonly deps: ServiceDeps;
  private services = new Map<string, ServiceControl>();
  private readonly retired = new Set<ServiceControl>();
  private listening: readonly Listening[] = [];
  /** Changes are made one after the other. */
  private turn: Promise<unknown> = Promise.resolve();
  private replanned = false;
  private ticker: NodeJS.Timeout | undefined;
  private readonly drainTimers = new Set<NodeJS.Timeout>();
  private phase: 'new' | 'running' | 'draining' | 'closed' = 'new';
  private readonly startedAt = monotonic();

  constructor(config: Config, options: BalancerOptions) {
    this.config = config;
    this.table = SharedTable.create(threadCount(config.runtime.threads));
    this.slots = new SlotAllocator(this.table);
    this.journal = new Journal(options.logger ?? silentLogger(), config.log.connections, () => monotonic());
    this.deps = {
      table: this.table,
      slots: this.slots,
      journal: this.journal,
      resolver: options.resolver,
      threads: () => this.plane!.threads,
      onTransition: transition => this.journal.transition(transition),
      onBackends: () => this.replan(),
      onRemoved: backend =>
        this.afterDrain(() => {
          this.plane?.close(backend.slot, this.pace(backend.active), 'drained');
        }),
      onDown: backend => this.plane?.close(backend.slot, Number.POSITIVE_INFINITY, 'backend_down'),
    };
  }

  /**
   * Find the backends, open the listeners and serve. Rejects with Lb4Error (an address in use, a strategy that cannot be
   * loaded) and is closed then.
   */
  start(): Promise<void> {
    return this.exclusive(async () => {
      if (this.phase !== 'new') throw new Lb4Error('LB4_CLOSED', 'the balancer was started already');
      this.phase = 'running';
      try {
        await this.startPlane();
        await this.change(this.config);
      } catch (error) {
        await this.destroyNow();
        throw error;
      }
      this.ticker = setInterval(() => this.tick(), TICK_MS);
      this.ticker.unref();
    });
  }

  /**
   * Reload: take another configuration as a diff. What is the same keeps its sockets, connections, health and counters;
   * a removed backend drains. All or nothing: rejects with Lb4Error and has changed nothing when an address cannot be
   * bound or a strategy not be loaded. Resolves to what changed.
   */
  async apply(next: Config | ConfigInput): Promise<ConfigDiff> {
    const config = isParsed(next) ? next : parseConfigObject(next);
    return this.exclusive(async () => {
      if (this.phase !== 'running') throw new Lb4Error('LB4_CLOSED', 'the balancer is not running');
      const diff = diffConfig(this.config, config);
      await this.change(config);
      return diff;
    });
  }

  /** Where it listens, with the ports that the system chose. */
  get addresses(): readonly Listening[] {
    return this.listening;
  }

  /** Everything as it is now, as a copy. */
  snapshot(): Snapshot {
    void this.plane?.settle();
    return {
      name: this.config.name,
      version: VERSION,
      pid: process.pid,
      engine: this.plane?.engine ?? this.config.runtime.engine,
      threads: this.plane?.threads ?? 0,
      uptime_seconds: Math.round(monotonic() - this.startedAt) / 1000,
      services: [...this.services.values()].map(service =>
        snapshotService(
          service,
          this.table,
          this.listening.filter(at => at.service === service.config.name).map(at => at.address),
        ),
      ),
    };
  }

  /** Why this instance should get no traffic, in words; empty when it is ready for it. */
  unready(): string {
    if (this.phase !== 'running') return `the balancer is ${this.phase}`;
    const idle = [...this.services.values()].filter(service => !service.usable);
    if (idle.length === 0) return '';
    return `no usable backend: ${idle.map(({ config }) => config.name).join(', ')}`;
  }

  /** One backend as it is now. Throws Lb4Error LB4_NOT_FOUND. */
  backend(service: string, backend: string): BackendSnapshot {
    const control = this.service(service);
    return snapshotBackend(control, control.find(backend), this.table);
  }

  /**
   * `ready`: it gets connections when it is healthy; `drain`: no new ones, open ones stay; `maint`: the same, and no
   * checks. Throws Lb4Error LB4_NOT_FOUND.
   */
  setState(service: string, backend: string, state: AdminState): void {
    const control = this.service(service);
    control.setState(control.find(backend), state);
  }

  /** A backend's weight, 0 to 65535. Throws Lb4Error LB4_NOT_FOUND. */
  setWeight(service: string, backend: string, weight: number): void {
    const control = this.service(service);
    control.setWeight(control.find(backend), weight);
  }

  /** Resolves when totals and log lines of everything that has happened so far are there. */
  async settle(): Promise<void> {
    await this.plane?.settle();
  }

  /** Connections and flows open now. */
  get active(): number {
    return Atomics.load(this.table.active, PROCESS_SLOT);
  }

  /**
   * Stop accepting at once, let connections finish until `drain_timeout`, then close the rest, paced. Resolves when
   * everything is closed.
   */
  async close(): Promise<void> {
    await this.exclusive(async () => {
      if (this.phase === 'closed' || this.phase === 'draining') return;
      this.phase = 'draining';
      await this.plane?.stopAccepting();
    });
    if (this.phase === 'draining' && this.active > 0) {
      this.afterDrain(() => this.plane?.close(-1, this.pace(this.active), 'shutdown'));
      await this.empty();
    }
    await this.destroy();
  }

  /** Close everything now. */
  destroy(): Promise<void> {
    return this.exclusive(() => this.destroyNow());
  }

  private service(name: string): ServiceControl {
    const service = this.services.get(name);
    if (service !== undefined) return service;
    throw new Lb4Error(
      'LB4_NOT_FOUND',
      `no service ${quote(name)}${didYouMean(name, [...this.services.keys()])}`,
    );
  }

  private async startPlane(): Promise<void> {
    const { engine, threads } = this.config.runtime;
    const { log } = this.journal;
    const { plane, why } = await startPlane({
      engine,
      threads: threadCount(threads),
      maxParked: this.budget(this.config).maxParked,
      table: this.table,
      sink: this.sink(),
      onFault: fault => log.error(fault, 'a strategy misbehaves; another backend was picked'),
      onThreadLost: (thread, lost, error) =>
        log.error({ thread, lost_connections: lost, err: error }, 'a data-plane thread died and is replaced'),
    });
    this.plane = plane;
    log.info({ engine: plane.engine, threads: plane.threads, why }, 'engine');
  }

  /** Resolves when the last connection is over. */
  private async empty(): Promise<void> {
    while (this.active > 0 && this.phase === 'draining') {
      await new Promise(resolve => setTimeout(resolve, EMPTY_POLL_MS));
    }
  }

  private async destroyNow(): Promise<void> {
    if (this.phase === 'closed') return;
    this.phase = 'closed';
    clearInterval(this.ticker);
    for (const timer of this.drainTimers) clearTimeout(timer);
    for (const service of [...this.services.values(), ...this.retired]) service.stop();
    await this.plane?.destroy('shutdown');
  }

  /** From the configuration in force to this one. */
  private async change(config: Config): Promise<void> {
    const added = Object.values(config.services)
      .filter(({ name, protocol }) => this.services.get(name)?.config.protocol !== protocol)
      .map(service => new ServiceControl(service, this.deps));
    const fresh = new Map(added.map(service => [service.config.name, service]));
    const next = new Map(
      Object.keys(config.services).map(name => [name, fresh.get(name) ?? this.services.get(name)!]),
    );
    try {
      await Promise.all(added.map(service => service.start()));
      await this.plane!.prepare(this.plan(config, next));
      // From here on nothing fails. What is removed below drains as long as the new configuration says.
      this.config = config;
      await Promise.all(
        [...next.values()]
          .filter(service => !added.includes(service))
          .map(service => service.update(config.services[service.config.name]!)),
      );
      const gone = [...this.services.values()].filter(service => next.get(service.config.name) !== service);
      this.services = next;
      this.journal.connections = config.log.connections;
      this.plane!.wantRecords(config.log.connections);
      this.listening = await this.plane!.commit(this.plan(config, next));
      for (const service of added) service.serve();
      for (const service of gone) this.retire(service);
    } catch (error) {
      for (const service of added) {
        service.discard();
        this.retired.add(service);
      }
      throw error;
    }
  }

  /** The backends of some service changed: tell the data plane, once for all changes of this turn. */
  private replan(): void {
    if (this.replanned || this.phase !== 'running') return;
    this.replanned = true;
    void this.exclusive(async () => {
      this.replanned = false;
      if (this.phase !== 'running') return;
      const plan = this.plan(this.config, this.services);
      await this.plane!.prepare(plan);
      this.listening = await this.plane!.commit(plan);
    }).catch(error => this.journal.log.error({ err: error }, 'cannot take the changed list of backends'));
  }

  private retire(service: ServiceControl): void {
    service.retire();
    this.retired.add(service);
  }

  private plan(config: Config, services: ReadonlyMap<string, ServiceControl>): Plan {
    const plans = [...services].map(([name, service]) => service.plan(config.services[name]!));
    return { services: plans, maxConnections: this.budget(config).maxConnections };
  }

  private budget(config: Config): { maxConnections: number; maxParked: number } {
    const services = Object.values(config.services);
    const fixed = services.reduce((sum, { listen, backends }) => sum + listen.length + backends.length, 0);
    return divideDescriptors(fileDescriptorLimit(), fixed, config.runtime.max_connections);
  }

  private sink(): PlaneSink {
    return {
      finished: record => this.journal.finished(record),
      backendFailing: (slot, reason) => {
        for (const service of this.services.values()) service.passiveFailure(slot, reason);
      },
      trouble: reason => this.journal.trouble(reason, reason),
    };
  }

  private tick(): void {
    const now = monotonic();
    for (const service of [...this.services.values(), ...this.retired]) {
      for (const { slot } of service.list) decayLatency(this.table, slot, now);
      service.sweep();
    }
    for (const service of this.retired) {
      if (!service.gone) continue;
      this.retired.delete(service);
      this.slots.free(service.slot);
    }
  }

  /** Do something when the drain time is over, never when it is 0. What it returns takes that back. */
  private afterDrain(then: () => void): () => void {
    const { drain_timeout } = this.config.runtime;
    if (drain_timeout === 0) return () => {};
    const timer = setTimeout(() => {
      this.drainTimers.delete(timer);
      then();
    }, drain_timeout);
    this.drainTimers.add(timer);
    return () => {
      clearTimeout(timer);
      this.drainTimers.delete(timer);
    };
  }

  /** Connections a second at which `count` of them are closed. */
  private pace(count: number): number {
    return Math.max(CLOSE_AT_LEAST, count / CLOSE_WITHIN_S);
  }

  private exclusive<T>(work: () => Promise<T>): Promise<T> {
    const done = this.turn.then(work);
    this.turn = done.catch(() => undefined);
    return done;
  }
}

/** The parser freezes what it makes and gives each service its name, which input objects must not have. */
function isParsed(config: Config | ConfigInput): config is Config {
  return Object.isFrozen(config) && Object.values(config.services).every(service => 'name' in service);
}

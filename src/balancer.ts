import { setTimeout as sleep } from 'node:timers/promises';
import { type ConfigDiff, diffConfig, formatDiff } from './config/diff.js';
import { parseConfigObject } from './config/parse.js';
import type { Config, ConfigInput } from './config/schema.js';
import { startDataPlane } from './control/data-plane.js';
import { drainPace } from './control/drains.js';
import { type Estate, type Holders, type Outline, readEstate, writeEstate } from './control/estate.js';
import { type BalancerEvent, EventHub, type EventListener, type Happening } from './control/events.js';
import { Incidents } from './control/incidents.js';
import { Journal } from './control/journal.js';
import type { Measures } from './control/measure.js';
import { Operations } from './control/operations.js';
import { descriptorBudget, ServiceSet } from './control/services.js';
import { outlineServices } from './control/services-estate.js';
import { type Snapshot, snapshotService } from './control/snapshot.js';
import { PassedSockets } from './control/sockets.js';
import type { Resolver } from './discovery/resolver.js';
import type { FaultyEngine } from './engines/faults/engine.js';
import type { Fault, Injection } from './engines/faults/fault.js';
import { errorLines, Lb4Error } from './errors.js';
import type { Listening } from './flow/listeners.js';
import { type Logger, silentLogger } from './log.js';
import { monotonic } from './monotonic.js';
import type { PassedSocket } from './pool/plan.js';
import { PROCESS_SLOT, SharedTable } from './pool/table.js';
import type { Heirloom } from './threads/handover.js';
import type { Plane } from './threads/plane.js';
import { threadCount } from './threads/start.js';
import { Turn } from './turn.js';
import { VERSION } from './version.js';

export interface BalancerOptions {
  /** Default: none is written. */
  readonly logger?: Logger;
  /** For tests and for name services of one's own. */
  readonly resolver?: Resolver;
  /** Sockets that were open before this process was started: socket activation. */
  readonly sockets?: readonly PassedSocket[];
  /** Default false. With it `inject` works, and the engine is net. */
  readonly faults?: boolean;
}

/** What `apply` did. */
export interface Applied extends ConfigDiff {
  /** Everything in words, one thought a line. */
  readonly changes: readonly string[];
  /** What was changed while running and gave way to the configuration, in words. */
  readonly overruled: readonly string[];
}

/** What a process gives to its successor. */
export interface Giving {
  readonly plane: Plane;
  readonly outline: Outline;
  /** Sockets that were open before this process was started. */
  readonly sockets: readonly PassedSocket[];
  /** All that there is to know. */
  estate(): Estate;
  /** From here on nobody hears of events any more: they would be told by this process and not be known to the other. */
  hush(): void;
}

/** How often a drain looks whether it is done. */
const EMPTY_POLL_MS = 20;
/** How long `settleSoon` waits for the last bytes of open connections to be counted. */
const SETTLE_PATIENCE_MS = 1_000;
/** Housekeeping of the services. */
const TICK_MS = 1_000;

/**
 * A load balancer in this process. `config` is a parsed Config, or an object of the file's shape.
 * Throws ConfigError when it does not hold. Nothing listens before `start`.
 */
export function createBalancer(config: Config | ConfigInput, options: BalancerOptions = {}): Balancer {
  return new Balancer(isParsed(config) ? config : parseConfigObject(config), options);
}

/** Control plane: decides slowly (health, discovery, reload) what the data plane does fast. */
export class Balancer extends Operations {
  private readonly journal: Journal;
  private readonly events: EventHub;
  private readonly incidents: Incidents;
  /** The last error that made a configuration be refused; told once. */
  private refusal: unknown;
  /** There from `start` on. */
  private plane: Plane | undefined;
  private readonly faults: boolean;
  private faulty: FaultyEngine | undefined;
  private ticker: NodeJS.Timeout | undefined;
  private phase: 'new' | 'standby' | 'running' | 'draining' | 'closed' = 'new';
  /** Another process has taken over. */
  private succeeded = false;
  private readonly passed: readonly PassedSocket[];
  private readonly startedAt = monotonic();

  constructor(config: Config, { logger, resolver, sockets = [], faults = false }: BalancerOptions) {
    const table = SharedTable.create(threadCount(config.runtime.threads));
    const journal = new Journal(logger ?? silentLogger(), config.log.connections, monotonic);
    const events = new EventHub(error => journal.log.error({ err: error }, 'a listener of events failed'));
    events.subscribe(event => journal.event(event));
    // Changes are made one after the other, reloads and those of the backends' names alike.
    const turn = new Turn();
    const passed = new PassedSockets(sockets);
    const services = new ServiceSet({ config, table, journal, events, resolver, sockets: passed, turn });
    super({ services, table, journal, turn });
    this.faults = faults;
    this.passed = sockets;
    this.journal = journal;
    this.events = events;
    this.incidents = new Incidents(events);
  }

  /**
   * Find the backends, open the listeners and serve. `inherited`: sockets that listen already. Rejects with Lb4Error (an address
   * in use, a strategy that cannot be loaded) and is closed then.
   */
  async start(inherited: readonly Heirloom[] = []): Promise<void> {
    await this.begin('running', plane => this.services.start(plane, inherited));
    this.tick();
  }

  /**
   * Get ready to go on with what another process serves, and touch nothing of it: to be followed by `goOn`. `inherited`: its
   * listening sockets. The configuration of this balancer has to be the outline's. Rejects as `start` does.
   * @internal
   */
  async standBy({ services }: Outline, inherited: readonly Heirloom[]): Promise<Plane> {
    await this.begin('standby', plane => this.services.restore(plane, services, inherited));
    return this.plane!;
  }

  /** Whether it could be reloaded with this configuration, without doing it. Rejects with Lb4Error, as `apply` would. */
  rehearse(config: Config): Promise<void> {
    return this.turn.take(() => this.services.rehearse(config));
  }

  /**
   * On standby: know everything that the other process knows; as often as wanted.
   * @internal
   */
  inherit(estate: Estate): void {
    writeEstate(estate, this.holders);
  }

  /**
   * On standby: serve, as the other process did when it gave its estate. Resolves to when the data plane began, monotonic ms.
   * @internal
   */
  async goOn({ services, shedding }: Estate): Promise<number> {
    const plane = this.plane!;
    const at = await plane.go();
    this.phase = 'running';
    this.services.resume(services);
    this.shedder.resume(plane, this.services.list, shedding);
    this.tick();
    return at;
  }

  /**
   * Have another process take over: nothing else changes while `give` is at work. Where that rejects everything goes on as
   * before; else this balancer is over, and `close` or `destroy` end what is left of it. Rejects with Lb4Error LB4_CLOSED when it
   * does not run.
   * @internal
   */
  handOver<T>(give: (giving: Giving) => Promise<T>): Promise<T> {
    return this.turn.take(async () => {
      const plane = this.running;
      const { services, events } = this;
      services.hold();
      try {
        const result = await give({
          plane,
          outline: { config: services.config, services: outlineServices(services.register) },
          sockets: this.passed,
          estate: () => readEstate(this.holders),
          hush: () => events.hold(),
        });
        this.succeeded = true;
        clearInterval(this.ticker);
        this.shedder.stop();
        services.stop();
        return result;
      } catch (error) {
        services.release();
        events.release();
        throw error;
      }
    });
  }

  /**
   * After `handOver`: end what is left here. Connections that went over (`gone`) are the other process's, and nothing is said to them;
   * where they did not they may finish until `drain_timeout`. Resolves when nothing is left.
   */
  async leave(gone: boolean): Promise<void> {
    if (gone) {
      await this.plane!.handover!.leave();
      await this.destroy();
    } else {
      await this.close();
    }
  }

  /** Tell subscribers, and the log, of something that happened to the process. */
  tell(happening: Happening): void {
    this.events.emit(happening);
  }

  /**
   * Reload: take another configuration as a diff. What is the same keeps its sockets, connections, health and counters;
   * a removed backend drains. All or nothing: rejects with Lb4Error and has changed nothing when an address cannot be
   * bound or a strategy not be loaded. What was changed while running stays, unless the configuration says something else
   * about the same backend than before. Resolves to what changed.
   */
  async apply(next: Config | ConfigInput): Promise<Applied> {
    try {
      const config = isParsed(next) ? next : parseConfigObject(next);
      return await this.turn.take(async () => {
        void this.running;
        const diff = diffConfig(this.services.config, config);
        const overruled = await this.services.change(config);
        const changes = [...formatDiff(diff).split('\n'), ...overruled];
        this.events.emit({ type: 'reloaded', changes, kept: this.active });
        return { ...diff, changes, overruled };
      });
    } catch (error) {
      this.refused(error);
      throw error;
    }
  }

  /** Tell subscribers that a configuration was refused before it came to `apply`: it could not be read, for one. */
  refused(error: unknown): void {
    if (error === this.refusal) return;
    this.refusal = error;
    this.events.emit({ type: 'reload_refused', errors: errorLines(error) });
  }

  /** Be told what happens (docs/metrics.md), from now on. Returns what ends that. */
  subscribe(listener: EventListener): () => void {
    return this.events.subscribe(listener);
  }

  /** What happened after the event `id`, as far as it is kept: the last 256. */
  eventsAfter(id: number): readonly BalancerEvent[] {
    return this.events.after(id);
  }

  /** Where it listens, with the ports that the system chose. */
  get addresses(): readonly Listening[] {
    return this.services.listening;
  }

  /**
   * The listening sockets, address by address.
   * @internal
   */
  async sockets(): Promise<readonly Heirloom[]> {
    return (await this.plane?.heirlooms()) ?? [];
  }

  /** Everything as it is now, as a copy. */
  snapshot(): Snapshot {
    void this.plane?.settle();
    const { config, list, listening } = this.services;
    return {
      name: config.name,
      version: VERSION,
      pid: process.pid,
      engine: this.plane?.engine ?? config.runtime.engine,
      threads: this.plane?.threads ?? 0,
      uptime_seconds: Math.round(monotonic() - this.startedAt) / 1000,
      services: list.map(service => snapshotService(service, this.table, listening)),
    };
  }

  /** Everything that is counted, as of now. A thread that does not answer holds it up for a second. */
  async measure(): Promise<Measures> {
    await this.settleSoon();
    const { config } = this.services;
    const { reloads, reloadsRefused, threadsLost, connectionsLost } = this.incidents;
    return {
      version: VERSION,
      engine: this.plane?.engine ?? config.runtime.engine,
      threads: this.plane?.threads ?? 0,
      maxConnections: descriptorBudget(config).maxConnections,
      reloads,
      reloadsRefused,
      threadsLost,
      connectionsLost,
      services: this.services.register.measure(),
    };
  }

  /** Why this instance should get no traffic, in words; empty when it is ready for it. */
  unready(): string {
    if (this.phase !== 'running' || this.succeeded) {
      return this.phase === 'new' || this.phase === 'standby' ? 'not started yet' : 'shutting down';
    }
    const idle = this.services.list.filter(service => !service.usable);
    if (idle.length === 0) return '';
    return `no usable backend: ${idle.map(({ config }) => config.name).join(', ')}`;
  }

  /**
   * Make a backend of a TCP service fail for connections of real traffic, for tests; needs the option `faults`. Instead of what
   * was injected for it before. Rejects with Lb4Error: LB4_NOT_FOUND, or LB4_USAGE.
   */
  async inject(service: string, backend: string, fault: Fault): Promise<Injection> {
    if (this.faulty === undefined) {
      throw new Lb4Error(
        'LB4_USAGE',
        'inject: expected a started balancer that was created with { faults: true }',
      );
    }
    const control = this.services.find(service);
    if (control.config.protocol === 'udp')
      throw new Lb4Error('LB4_USAGE', 'inject: expected a TCP service, got UDP');
    return this.faulty.inject(control.backends.find(backend).endpoint, fault);
  }

  /** Resolves when totals and log lines of everything that has happened so far are there. */
  async settle(): Promise<void> {
    await this.plane?.settle();
  }

  /** The same, but a data-plane thread that does not answer holds it up for a second only. */
  async settleSoon(): Promise<void> {
    await Promise.race([this.settle(), sleep(SETTLE_PATIENCE_MS, undefined, { ref: false })]);
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
    await this.turn.take(async () => {
      if (this.phase === 'closed' || this.phase === 'draining') return;
      this.phase = 'draining';
      this.events.emit({ type: 'draining', active: this.active });
      this.services.freeze();
      await this.plane?.stopAccepting(this.succeeded);
    });
    if (this.phase === 'draining' && this.active > 0) {
      const { config, drains } = this.services;
      drains.after(config.runtime.drain_timeout, () => {
        this.plane?.close(-1, drainPace(this.active), 'shutdown');
      });
      await this.empty();
    }
    await this.destroy();
  }

  /** Close everything now. */
  destroy(): Promise<void> {
    return this.turn.take(() => this.destroyNow());
  }

  protected override get running(): Plane {
    if (this.phase === 'running' && this.plane !== undefined && !this.succeeded) return this.plane;
    throw new Lb4Error('LB4_CLOSED', 'the balancer is not running');
  }

  private get holders(): Holders {
    const { services, events, incidents, shedder } = this;
    return { services, events, incidents, shedder };
  }

  private begin(phase: 'running' | 'standby', serve: (plane: Plane) => Promise<void>): Promise<void> {
    return this.turn.take(async () => {
      if (this.phase !== 'new') throw new Lb4Error('LB4_CLOSED', 'the balancer was started already');
      this.phase = phase;
      try {
        const { services, table, journal, events, faults } = this;
        const standby = phase === 'standby';
        const { plane, faulty } = await startDataPlane({ services, table, journal, events, faults, standby });
        this.plane = plane;
        this.faulty = faulty;
        await serve(plane);
      } catch (error) {
        await this.destroyNow();
        throw error;
      }
    });
  }

  private tick(): void {
    this.ticker = setInterval(() => this.services.tick(monotonic()), TICK_MS);
    this.ticker.unref();
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
    this.shedder.stop();
    this.services.stop();
    await this.plane?.destroy('shutdown');
  }
}

/** The parser freezes what it makes and gives each service its name, which input objects must not have. */
function isParsed(config: Config | ConfigInput): config is Config {
  return Object.isFrozen(config) && Object.values(config.services).every(service => 'name' in service);
}

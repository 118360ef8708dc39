import type { BackendConfig, ServiceConfig } from '../config/schema.js';
import { quote } from '../config/text.js';
import { Discovery, type DiscoveryState } from '../discovery/discovery.js';
import type { Resolver } from '../discovery/resolver.js';
import { Lb4Error } from '../errors.js';
import type { AdminState, Backend } from '../pool/backend.js';
import type { SlotAllocator } from '../pool/slots.js';
import type { SharedTable } from '../pool/table.js';
import type { Drain } from './drains.js';
import type { EventHub } from './events.js';
import { checkNewEntry } from './new-entry.js';
import { Roster, type RosterState } from './roster.js';
import { type RuntimeChange, RuntimeChanges, type RuntimeState } from './runtime.js';

const BY_OPERATOR = 'by operator';
const BY_NAME = 'its name no longer resolves to it';

export interface BackendsInit {
  readonly config: ServiceConfig;
  readonly table: SharedTable;
  readonly slots: SlotAllocator;
  readonly events: EventHub;
  readonly resolver: Resolver;
  /** The data plane has the service: who comes is told of. */
  served(): boolean;
  /** The list is another one. */
  onList(): void;
  /** A backend's state was changed by hand or by the configuration. */
  onAdmin(backend: Backend): void;
  /** A backend is no longer in the list: it drains. */
  onRemoved(backend: Backend): Drain;
  /** A backend that has left has no connection any more, and its slot will be another's. */
  onForgotten(backend: Backend): void;
}

/** What another process needs to have the same backends. */
export interface BackendsOutline {
  readonly runtime: RuntimeState;
  readonly discovery: DiscoveryState;
  readonly roster: RosterState;
}

/** What is known about them beside that, and changes all the time. */
export interface BackendsState {
  readonly changes: RuntimeState['changes'];
  readonly discovery: DiscoveryState;
  readonly roster: RosterState;
}

/** Which backends a service has: those of its configuration, as operators have changed them, with every name resolved. */
export class ServiceBackends {
  private config: ServiceConfig;
  private readonly runtime = new RuntimeChanges();
  private readonly roster: Roster;
  private readonly discovery: Discovery;
  /** Why a backend that leaves the list does so. */
  private whyGone = BY_NAME;

  constructor({ config, table, slots, events, resolver, served, onList, ...told }: BackendsInit) {
    const service = config.name;
    this.config = config;
    this.roster = new Roster({
      service,
      table,
      slots,
      events,
      wanted: found => this.runtime.wanted(found),
      trusted: () => this.config.health.role === 'any',
      ...told,
    });
    this.discovery = new Discovery({
      resolver,
      isAmiss: ({ id }) => this.of(id).some(({ health }) => health === 'down'),
      onChange: list => {
        this.roster.reconcile(list, this.whyGone, served());
        onList();
      },
      onFailure: ({ id }, reason) => events.emit({ type: 'lookup_failed', service, name: id, reason }),
      onRecovery: ({ id }) => events.emit({ type: 'lookup_recovered', service, name: id }),
    });
  }

  get list(): readonly Backend[] {
    return this.roster.list;
  }

  /** Those that have left the list and may have connections. */
  get leaving(): readonly Backend[] {
    return this.roster.leaving;
  }

  get everyone(): readonly Backend[] {
    return [...this.list, ...this.leaving];
  }

  /** Find them. Resolves when each name was looked up once, or after 3 s; never rejects. */
  start(): Promise<void> {
    return this.discovery.use(this.config.backends);
  }

  /**
   * Take a changed configuration: what is the same goes on as it was. Resolves to what was changed while running and
   * gives way to it, in words.
   */
  async update(config: ServiceConfig): Promise<string[]> {
    const before = this.config;
    this.config = config;
    const overruled = this.runtime.overrule(before.backends, config.backends);
    await this.useEntries('no longer in the configuration');
    return overruled;
  }

  /** The backend with this id. Throws Lb4Error LB4_NOT_FOUND. */
  find(id: string): Backend {
    return this.roster.find(id);
  }

  /** The same, or one that has left the list and still has connections. */
  findOpen(id: string): Backend {
    return this.roster.findLeaving(id) ?? this.find(id);
  }

  /** Those that an entry stands for. */
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

  /** One of them may have moved: its name is looked up sooner. */
  suspect(backend: Backend): void {
    this.discovery.suspect(this.roster.originOf(backend).entry);
  }

  /** Forget those that have left and whose last connection is over. Called now and then. */
  sweep(): void {
    this.roster.sweep();
  }

  /** Keep the list as it is until `release`. */
  hold(): void {
    this.discovery.hold();
  }

  release(): void {
    this.discovery.release();
  }

  get outline(): BackendsOutline {
    const { runtime, discovery, roster } = this;
    return { runtime: runtime.state, discovery: discovery.state, roster: roster.state };
  }

  get state(): BackendsState {
    const { runtime, discovery, roster } = this;
    return { changes: runtime.state.changes, discovery: discovery.state, roster: roster.state };
  }

  /** Have those of another process. Nothing is looked up before `resume`. */
  restore({ runtime, discovery, roster }: BackendsOutline): void {
    this.runtime.restore(runtime);
    this.discovery.restore(discovery);
    this.roster.restore(roster);
  }

  /** Bring them to what they were in the end. The list is the one that was restored. */
  catchUp({ changes, roster }: BackendsState): void {
    this.runtime.restoreChanges(changes);
    this.roster.catchUp(roster);
  }

  /** Those that have left go on draining, each for the time that it has: `drain`. */
  resumeDrains({ roster }: BackendsState, drain: (backend: Backend, remaining?: number) => Drain): void {
    this.roster.resume(roster, drain);
  }

  /** Names are looked up from now on. */
  resume({ discovery }: BackendsState): void {
    this.discovery.resume(discovery);
  }

  /** All of them leave, and drain. */
  retire(): void {
    this.roster.retire('no longer in the configuration');
  }

  /** Let go of all: nobody was ever sent to them. */
  discard(): void {
    this.roster.discard();
  }

  /** True when the last one that has left is forgotten. */
  get settled(): boolean {
    return this.roster.settled;
  }

  /** No name is looked up any more. */
  stop(): void {
    this.discovery.stop();
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
}

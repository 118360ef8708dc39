import { formatAddress } from '../address.js';
import { didYouMean, quote } from '../config/text.js';
import type { Discovered } from '../discovery/entry.js';
import { Lb4Error } from '../errors.js';
import { type AdminState, Backend, type BackendState } from '../pool/backend.js';
import type { SlotAllocator } from '../pool/slots.js';
import type { SharedTable } from '../pool/table.js';
import { type Drain, NO_DRAIN } from './drains.js';
import type { EventHub } from './events.js';

export interface RosterDeps {
  readonly service: string;
  readonly table: SharedTable;
  readonly slots: SlotAllocator;
  readonly events: EventHub;
  /** What a backend's state and weight are to be. */
  wanted(found: Discovered): { readonly admin: AdminState; readonly weight: number };
  /** Whether a backend may get connections before its first probe. */
  trusted(): boolean;
  /** A backend's state was changed by hand or by the configuration. */
  onAdmin(backend: Backend): void;
  /** A backend is no longer in the list: it drains. */
  onRemoved(backend: Backend): Drain;
  /** A backend that has left has no connection any more, and its slot will be another's. */
  onForgotten(backend: Backend): void;
}

interface Leaving {
  readonly drain: Drain;
  /** Without connections when it was last looked at. */
  empty: boolean;
}

/** A backend as another process gets it. */
export interface MemberOfRoster {
  readonly found: Discovered;
  readonly slot: number;
  readonly state: BackendState;
}

export interface RosterState {
  readonly list: readonly MemberOfRoster[];
  /** `drainIn`: until what is still open is to be closed, ms; undefined = never. */
  readonly leaving: readonly (MemberOfRoster & { readonly drainIn: number | undefined })[];
}

/** The backends of one service: those in the list, and those that have left it and still have connections. */
export class Roster {
  private readonly deps: RosterDeps;
  /** By address; the order is the file's. */
  private backends = new Map<string, Backend>();
  private readonly origins = new WeakMap<Backend, Discovered>();
  /** Gone from the list, but with connections; and what ends their draining. */
  private readonly left = new Map<Backend, Leaving>();

  constructor(deps: RosterDeps) {
    this.deps = deps;
  }

  get list(): readonly Backend[] {
    return [...this.backends.values()];
  }

  /** Those that have left the list and are not forgotten yet. */
  get leaving(): readonly Backend[] {
    return [...this.left.keys()];
  }

  /** True when the last backend that has left is forgotten. */
  get settled(): boolean {
    return this.left.size === 0;
  }

  /** What a backend came from. */
  originOf(backend: Backend): Discovered {
    return this.origins.get(backend)!;
  }

  /** The backend with this id. Throws Lb4Error LB4_NOT_FOUND. */
  find(id: string): Backend {
    const { list } = this;
    const backend = list.find(one => one.id === id);
    if (backend !== undefined) return backend;
    const ids = list.map(one => one.id);
    const where = `in service ${quote(this.deps.service)}${didYouMean(id, ids)}`;
    throw new Lb4Error('LB4_NOT_FOUND', `no backend ${quote(id)} ${where}`);
  }

  /** One with this id that has left and still has connections. */
  findLeaving(id: string): Backend | undefined {
    return this.list.some(one => one.id === id) ? undefined : this.leaving.find(one => one.id === id);
  }

  /**
   * Take another list; a backend whose address stays is the one it was. `why` those that are gone are so; `tell` about
   * those who are new, which goes without saying while a service begins. Throws Lb4Error LB4_LIMIT, and has changed nothing
   * then, when there are not as many slots.
   */
  reconcile(list: readonly Discovered[], why: string, tell: boolean): void {
    const here = new Set([...this.list, ...this.leaving].map(({ key }) => key));
    const keys = new Set(list.map(({ endpoint }) => formatAddress(endpoint)));
    this.deps.slots.expect([...keys].filter(key => !here.has(key)).length);
    const next = new Map<string, Backend>();
    for (const found of list) {
      const key = formatAddress(found.endpoint);
      const known = this.backends.get(key);
      const backend = known ?? this.revive(key) ?? this.create(found);
      if (known === undefined && tell) this.tellAdded(backend);
      this.origins.set(backend, found);
      next.set(key, backend);
      this.adopt(backend, found, known === undefined ? 'back in the list' : 'changed in the configuration');
    }
    const old = this.backends;
    this.backends = next;
    for (const [key, backend] of old) if (!next.has(key)) this.remove(backend, why);
  }

  /** Bring state and weight to what is wanted. `reason` is told where the state changes. */
  align(backend: Backend, reason: string): void {
    const { admin, weight } = this.deps.wanted(this.originOf(backend));
    if (backend.weight !== weight) this.setWeight(backend, weight, reason);
    if (backend.admin === admin) return;
    backend.setAdmin(admin, reason);
    this.deps.onAdmin(backend);
  }

  /** Everybody leaves and drains. */
  retire(reason: string): void {
    for (const backend of this.backends.values()) this.remove(backend, reason);
    this.backends.clear();
  }

  /** Let go of backends that never served: nothing drains and nobody needs to hear of it. */
  discard(): void {
    for (const backend of this.backends.values()) this.leave(backend, NO_DRAIN);
    this.backends.clear();
  }

  /** Forget backends that have left and whose last connection is over. Called now and then. */
  sweep(): void {
    for (const [backend, leaving] of this.left) {
      const wasEmpty = leaving.empty;
      leaving.empty = backend.active === 0;
      // Not at first sight: a thread counts a failed dial a moment after it gave the place back.
      if (!leaving.empty || !wasEmpty) continue;
      leaving.drain.cancel();
      this.left.delete(backend);
      this.deps.onForgotten(backend);
      this.deps.slots.free(backend.slot);
    }
  }

  get state(): RosterState {
    const member = (backend: Backend): MemberOfRoster => ({
      found: this.originOf(backend),
      slot: backend.slot,
      state: backend.decided,
    });
    return {
      list: this.list.map(member),
      leaving: [...this.left].map(([backend, { drain }]) => ({
        ...member(backend),
        drainIn: drain.remaining,
      })),
    };
  }

  /** Have the backends that another process had, in their slots. Nobody hears of it; what leaves drains on from `resume` on. */
  restore({ list, leaving }: RosterState): void {
    for (const member of list) {
      const backend = this.recreate(member);
      this.backends.set(formatAddress(backend.endpoint), backend);
    }
    for (const member of leaving) this.leave(this.recreate(member), NO_DRAIN);
  }

  /** Bring the backends to what they were in the end. */
  catchUp({ list, leaving }: RosterState): void {
    const states = new Map([...list, ...leaving].map(({ slot, state }) => [slot, state]));
    for (const backend of [...this.list, ...this.leaving]) {
      const state = states.get(backend.slot);
      if (state !== undefined) backend.restore(state);
    }
  }

  /** What leaves drains on. */
  resume({ leaving }: RosterState, drain: (backend: Backend, remaining: number) => Drain): void {
    for (const { slot, drainIn } of leaving) {
      const backend = this.leaving.find(one => one.slot === slot);
      if (backend !== undefined && drainIn !== undefined) this.leave(backend, drain(backend, drainIn));
    }
  }

  private recreate({ found, slot, state }: MemberOfRoster): Backend {
    const backend = this.create(found, slot);
    backend.restore(state);
    this.origins.set(backend, found);
    return backend;
  }

  private create(found: Discovered, slot = this.deps.slots.take()): Backend {
    const { service, table, wanted, trusted, events } = this.deps;
    const init = {
      service,
      id: found.id,
      endpoint: found.endpoint,
      slot,
      backup: found.backup,
      maxConnections: found.max_connections,
      trusted: trusted(),
      ...wanted(found),
    };
    return new Backend(init, table, ({ backend, ...change }) =>
      events.emit({ type: 'state', service, backend: backend.id, ...change }),
    );
  }

  private setWeight(backend: Backend, weight: number, reason: string): void {
    const { service, events } = this.deps;
    const from = backend.weight;
    backend.setWeight(weight);
    events.emit({ type: 'weight', service, backend: backend.id, from, to: weight, reason });
  }

  private tellAdded({ id, key }: Backend): void {
    const { service, events } = this.deps;
    events.emit({ type: 'backend_added', service, backend: id, address: key });
  }

  private adopt(backend: Backend, found: Discovered, reason: string): void {
    backend.id = found.id;
    if (backend.backup !== found.backup) backend.setBackup(found.backup);
    backend.maxConnections = found.max_connections;
    this.align(backend, reason);
  }

  /** A backend that comes back while it drains is the one it was. */
  private revive(key: string): Backend | undefined {
    for (const [backend, { drain }] of this.left) {
      if (backend.key !== key) continue;
      drain.cancel();
      this.left.delete(backend);
      return backend;
    }
    return undefined;
  }

  private remove(backend: Backend, reason: string): void {
    const { service, events } = this.deps;
    const { id, key, active } = backend;
    backend.setAdmin('drain', reason);
    events.emit({ type: 'backend_removed', service, backend: id, address: key, active, reason });
    this.leave(backend, this.deps.onRemoved(backend));
  }

  private leave(backend: Backend, drain: Drain): void {
    this.left.set(backend, { drain, empty: false });
  }
}

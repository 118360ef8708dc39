import { isDeepStrictEqual } from 'node:util';
import type { BackendConfig } from '../config/schema.js';
import type { Discovered } from '../discovery/entry.js';
import { endpointKey } from '../discovery/order.js';
import type { AdminState } from '../pool/backend.js';

/** What was changed about a backend while running, and is otherwise than the configuration says. */
export interface RuntimeChange {
  readonly state?: AdminState;
  readonly weight?: number;
  /** The configuration does not have it. */
  readonly added?: true;
}

interface Change {
  /** Id of the entry that the backend came from. */
  entry: string;
  state?: AdminState;
  weight?: number;
}

/** Everything that was changed, as plain data. */
export interface RuntimeState {
  readonly changes: readonly (readonly [address: string, change: Readonly<Change>])[];
  readonly added: readonly BackendConfig[];
  readonly removed: readonly string[];
}

/**
 * What operators changed about the backends of one service. It stands beside the configuration until that says something
 * else about the same backend. Backends that come from a name are changed each for itself, by address, and added and
 * removed as the one entry that they are.
 */
export class RuntimeChanges {
  /** By address. */
  private changes = new Map<string, Change>();
  private added: BackendConfig[] = [];
  /** Ids of entries of the configuration. */
  private removed = new Set<string>();

  get state(): RuntimeState {
    return { changes: [...this.changes], added: [...this.added], removed: [...this.removed] };
  }

  /** Have what was changed in another process. The entries are those that the backends came from, not copies. */
  restore({ changes, added, removed }: RuntimeState): void {
    this.restoreChanges(changes);
    this.added = [...added];
    this.removed = new Set(removed);
  }

  restoreChanges(changes: RuntimeState['changes']): void {
    this.changes = new Map(changes.map(([key, change]) => [key, { ...change }]));
  }

  /** The entries in effect: the configuration's without those that were removed, then those that were added. */
  entries(configured: readonly BackendConfig[]): BackendConfig[] {
    return [...configured.filter(({ id }) => !this.removed.has(id)), ...this.added];
  }

  /** Ids of configured entries that were removed and have no other in their place. */
  get removedIds(): string[] {
    return [...this.removed].filter(id => !this.added.some(entry => entry.id === id));
  }

  isRemoved(id: string): boolean {
    return this.removed.has(id);
  }

  /** What the backend's state and weight are to be. */
  wanted(found: Discovered): { readonly admin: AdminState; readonly weight: number } {
    const { state, weight } = this.changes.get(endpointKey(found.endpoint)) ?? {};
    return { admin: state ?? configuredState(found), weight: weight ?? found.weight };
  }

  /** What is otherwise about the backend than the configuration says. */
  of(found: Discovered): RuntimeChange {
    const { state, weight } = this.changes.get(endpointKey(found.endpoint)) ?? {};
    return {
      ...(state !== undefined && { state }),
      ...(weight !== undefined && { weight }),
      ...(this.added.includes(found.entry) && { added: true as const }),
    };
  }

  setState(found: Discovered, state: AdminState): void {
    this.set(found, { state: state === configuredState(found) ? undefined : state });
  }

  setWeight(found: Discovered, weight: number): void {
    this.set(found, { weight: weight === found.weight ? undefined : weight });
  }

  /** An entry whose id none in effect has. One that the configuration has just the same is no longer removed, that is all. */
  add(entry: BackendConfig, configured: readonly BackendConfig[]): void {
    const before = configured.find(({ id }) => id === entry.id);
    if (before !== undefined && isDeepStrictEqual(before, entry)) this.removed.delete(entry.id);
    else this.added.push(entry);
  }

  /** Take the entry out, and forget what was changed about its backends. */
  remove(id: string, configured: readonly BackendConfig[]): void {
    const at = this.added.findIndex(entry => entry.id === id);
    if (at !== -1) this.added.splice(at, 1);
    else if (configured.some(entry => entry.id === id)) this.removed.add(id);
    for (const [key, change] of this.changes) if (change.entry === id) this.changes.delete(key);
  }

  /**
   * The configuration of the service changes from `before` to `after`: where it says something else about a backend than
   * before, that counts. Returns what gives way, in words.
   */
  overrule(before: readonly BackendConfig[], after: readonly BackendConfig[]): string[] {
    return [
      ...this.overruleAdded(after),
      ...this.overruleRemoved(before, after),
      ...this.overruleChanges(before, after),
    ];
  }

  private overruleAdded(after: readonly BackendConfig[]): string[] {
    const lines: string[] = [];
    for (const entry of [...this.added]) {
      const same = after.find(
        ({ id, address }) => id === entry.id || isDeepStrictEqual(address, entry.address),
      );
      if (same === undefined || this.removed.has(same.id)) continue;
      this.remove(entry.id, []);
      lines.push(`backend ${entry.id} was added while running; the configuration has it now`);
    }
    return lines;
  }

  private overruleRemoved(before: readonly BackendConfig[], after: readonly BackendConfig[]): string[] {
    const lines: string[] = [];
    for (const id of [...this.removed]) {
      const next = after.find(entry => entry.id === id);
      if (next !== undefined && isDeepStrictEqual(byId(before, id), next)) continue;
      this.removed.delete(id);
      if (next === undefined) continue;
      this.added.splice(0, this.added.length, ...this.added.filter(entry => entry.id !== id));
      lines.push(`backend ${id} was removed while running; the configuration changed it, so it is back`);
    }
    return lines;
  }

  private overruleChanges(before: readonly BackendConfig[], after: readonly BackendConfig[]): string[] {
    const lines: string[] = [];
    for (const [key, change] of this.changes) {
      const old = byId(before, change.entry);
      // An entry that was added: the configuration says nothing about it.
      if (old === undefined) continue;
      const next =
        byId(after, old.id) ?? after.find(({ address }) => isDeepStrictEqual(address, old.address));
      const { state, weight } = change;
      const isOther = next === undefined || !isDeepStrictEqual(next.address, old.address);
      if (state !== undefined && (isOther || next.disabled !== old.disabled)) {
        lines.push(`backend ${old.id}: state ${state}, set while running, gives way to the configuration`);
        delete change.state;
      }
      if (weight !== undefined && (isOther || next.weight !== old.weight)) {
        lines.push(`backend ${old.id}: weight ${weight}, set while running, gives way to the configuration`);
        delete change.weight;
      }
      if (change.state === undefined && change.weight === undefined) this.changes.delete(key);
      else change.entry = next!.id;
    }
    return lines;
  }

  private set(found: Discovered, what: Pick<Change, 'state' | 'weight'>): void {
    const key = endpointKey(found.endpoint);
    const change = { ...this.changes.get(key), ...what, entry: found.entry.id };
    if (change.state === undefined && change.weight === undefined) this.changes.delete(key);
    else this.changes.set(key, change);
  }
}

function configuredState({ disabled }: Discovered): AdminState {
  return disabled ? 'maint' : 'ready';
}

function byId(entries: readonly BackendConfig[], id: string): BackendConfig | undefined {
  return entries.find(entry => entry.id === id);
}

import type { Peer } from '../address.js';
import { AddressTable, keyTag, NONE, type RandomFill } from './address-table.js';

/**
 * The flows of a UDP service: from client address, client port and listener to an entry, and all of them in the order of
 * their last activity, so that a sweep looks at expired flows only. Knows no sockets and no clock; times are in ms.
 *
 * A flow is known by its index, a small number that holds until the flow is deleted: a look-up is
 * `const i = table.find(peer, listener)`, then `value(i)` and `touch(i, now)`. Nothing here allocates but growth.
 * The table keeps the memory of its largest size: about 60 bytes a flow beside the entries.
 */
export class FlowTable<T> {
  private readonly table: AddressTable;
  private readonly values: (T | undefined)[] = [];
  private times: Float64Array;

  /** `max` flows, 1 to 2^24, else Lb4Error LB4_LIMIT. `fill` seeds the hash; tests pass their own. */
  constructor(max: number, fill?: RandomFill) {
    this.table = new AddressTable(max, fill);
    this.times = new Float64Array(this.table.capacity);
  }

  get size(): number {
    return this.table.size;
  }

  get max(): number {
    return this.table.max;
  }

  /** True when `set` has no room for another flow; the caller decides whether to delete `oldest()` or to refuse. */
  get full(): boolean {
    return this.table.size === this.table.max;
  }

  /** Index of the flow, or -1. `listener` is an integer from 0 to 32767: equal clients of two listeners are two flows. */
  find(peer: Peer, listener: number): number {
    return this.table.find(
      peer.a0 | 0,
      peer.a1 | 0,
      peer.a2 | 0,
      peer.a3 | 0,
      keyTag(peer.family, peer.port, listener),
    );
  }

  /** The entry of the flow, if there is one. Does not count as activity. */
  get(peer: Peer, listener: number): T | undefined {
    const index = this.find(peer, listener);
    return index === NONE ? undefined : this.values[index];
  }

  /** Store an entry, in the place of one that is there; it is the most recently active then. -1 when the table is full. */
  set(peer: Peer, listener: number, value: T, now: number): number {
    let index = this.find(peer, listener);
    if (index === NONE) {
      const tag = keyTag(peer.family, peer.port, listener);
      index = this.table.insert(peer.a0 | 0, peer.a1 | 0, peer.a2 | 0, peer.a3 | 0, tag);
      if (index === NONE) return NONE;
      if (index >= this.times.length) {
        const times = new Float64Array(this.table.capacity);
        times.set(this.times);
        this.times = times;
      }
    }
    this.values[index] = value;
    this.touch(index, now);
    return index;
  }

  /** The entry at an index that `find`, `set`, `oldest` or `newer` gave. */
  value(index: number): T {
    return this.values[index] as T;
  }

  /** The flow was active at `now`, which must not be earlier than any `now` before. */
  touch(index: number, now: number): void {
    this.times[index] = now;
    this.table.append(index);
  }

  /** When the flow was last active. */
  lastActive(index: number): number {
    return this.times[index]!;
  }

  /** Forget the flow; its index may be used again by the next `set`. A second time does nothing. */
  delete(index: number): void {
    this.table.remove(index);
    this.values[index] = undefined;
  }

  /** Index of the flow that has been quiet for longest, -1 when there is none. */
  oldest(): number {
    return this.table.head;
  }

  /** Index of the next flow in the order of activity, -1 after the last: walks all flows from `oldest()` on; ask before a delete. */
  newer(index: number): number {
    return this.table.after(index);
  }
}

import type { Peer } from '../address.js';
import type { SpinLock } from '../pool/lock.js';
import { AddressTable, keyTag, NONE, type RandomFill } from './address-table.js';
import { defaultBurst, hasToken, refill } from './rate.js';
import { SharedClients } from './shared-clients.js';

/** `limit`: the client has as many connections as it may; `rate`: it opens them too fast. */
export type Admission = 'ok' | 'limit' | 'rate';

export interface ClientLimits {
  /** Connections open at a time for each client, 0 = no limit. */
  readonly maxActive: number;
  /** New connections a second for each client, may be a fraction; 0 = no limit. */
  readonly perSecond: number;
  /** How many may come at once; default one second's worth, at least 1. */
  readonly burst?: number;
}

/** About 12 MiB at most with the tables around it. */
const DEFAULT_MAX_CLIENTS = 262_144;

/**
 * Connections and connection rate of each client, for `max_connections_per_client` and `connection_rate_per_client`.
 * A client is one IPv4 address or one IPv6 /64: a /64 is what a single customer or host gets, so counting single IPv6
 * addresses would limit nobody. Peers without an IP address (unix sockets) are not counted and always `ok`.
 *
 * Memory is bounded: clients without connections are forgotten as soon as their bucket is full again, the longest idle
 * one at once when room is needed. With `maxClients` clients that all have connections a new client gets `limit`.
 *
 * Threads that `share` one buffer count together, exactly; then the room is what the buffer was made for.
 */
export class ClientCounts {
  private maxActive = 0;
  private perSecond = 0;
  private burst = 1;
  /** The order list holds the clients without connections, the longest idle first. */
  private table: AddressTable;
  private active: Int32Array;
  private tokens: Float64Array;
  private last: Float64Array;
  /** There when other threads count in the same memory. */
  private lock: SpinLock | undefined;
  /** What this thread has added to `active`, if others add to it as well. */
  private own: Int32Array | undefined;

  /** `maxClients` 1 to 2^24, else Lb4Error LB4_LIMIT. `fill` seeds the hash; tests pass their own. */
  constructor(limits: ClientLimits, maxClients: number = DEFAULT_MAX_CLIENTS, fill?: RandomFill) {
    this.table = new AddressTable(maxClients, fill);
    this.active = new Int32Array(this.table.capacity);
    this.tokens = new Float64Array(this.table.capacity);
    this.last = new Float64Array(this.table.capacity);
    this.configure(limits);
  }

  /** Take new limits and keep the counts; clients above a lower limit keep what they have. */
  configure(limits: ClientLimits): void {
    this.maxActive = limits.maxActive;
    this.perSecond = limits.perSecond;
    this.burst = Math.max(1, limits.burst ?? defaultBurst(limits.perSecond));
  }

  /** From now on count with other threads in this buffer, as thread `thread`. Only before the first connection is counted. */
  share(buffer: SharedArrayBuffer, thread: number): void {
    const { lock, table, active, tokens, last, shares } = new SharedClients(buffer, thread);
    this.lock = lock;
    this.own = shares[thread]!;
    this.table = table;
    this.active = active;
    this.tokens = tokens;
    this.last = last;
  }

  /** True once it counts with other threads. */
  get shared(): boolean {
    return this.lock !== undefined;
  }

  /** False when there is nothing to limit: `acquire` then says `ok` and counts nothing. */
  get enabled(): boolean {
    return this.maxActive > 0 || this.perSecond > 0;
  }

  /** Clients remembered. */
  get size(): number {
    return this.table.size;
  }

  /**
   * Count a new connection of this client; `now` in ms of a monotonic clock. Anything but `ok` counts nothing.
   * Each `ok` while `enabled` needs one `release`, and only such a connection may be released.
   */
  acquire(peer: Peer, now: number): Admission {
    if (!this.enabled || peer.family === 0) return 'ok';
    this.lock?.acquire();
    const admission = this.count(peer, now);
    this.lock?.release();
    return admission;
  }

  /** Count a connection that was counted in another process, whatever the limits; false when there is nothing to count. */
  readmit(peer: Peer): boolean {
    if (!this.enabled || peer.family === 0) return false;
    this.lock?.acquire();
    let client = this.lookUp(peer);
    if (client === NONE) client = this.admit(peer, 0);
    if (client !== NONE) this.add(client);
    this.lock?.release();
    return client !== NONE;
  }

  /** A connection of this client ended. A client that is not known is left alone. */
  release(peer: Peer): void {
    if (peer.family === 0) return;
    this.lock?.acquire();
    this.uncount(peer);
    this.lock?.release();
  }

  /** Connections this client has now. */
  activeOf(peer: Peer): number {
    this.lock?.acquire();
    const client = this.lookUp(peer);
    const active = client === NONE ? 0 : this.active[client]!;
    this.lock?.release();
    return active;
  }

  private count(peer: Peer, now: number): Admission {
    let client = this.lookUp(peer);
    if (client === NONE) {
      client = this.admit(peer, now);
      if (client === NONE) return 'limit';
    }
    const active = this.active[client]!;
    if (this.maxActive > 0 && active >= this.maxActive) return 'limit';
    if (this.perSecond > 0) {
      const tokens = refill(this.tokens[client]!, this.last[client]!, now, this.perSecond, this.burst);
      this.tokens[client] = tokens;
      this.last[client] = Math.max(now, this.last[client]!);
      if (!hasToken(tokens)) return 'rate';
      this.tokens[client] = tokens - 1;
    }
    this.add(client);
    return 'ok';
  }

  private add(client: number): void {
    this.active[client]!++;
    if (this.own !== undefined) this.own[client]!++;
    this.table.detach(client);
  }

  private uncount(peer: Peer): void {
    const client = this.lookUp(peer);
    if (client === NONE || this.active[client] === 0) return;
    if (this.own !== undefined) this.own[client]!--;
    if (--this.active[client]! > 0) return;
    if (this.perSecond > 0) this.table.append(client);
    else this.table.remove(client);
  }

  private lookUp(peer: Peer): number {
    return peer.family === 6
      ? this.table.find(peer.a0 | 0, peer.a1 | 0, 0, 0, keyTag(6, 0, 0))
      : this.table.find(0, 0, 0, peer.a3 | 0, keyTag(4, 0, 0));
  }

  /** A record for a client seen for the first time, or NONE when all records are taken by active clients. */
  private admit(peer: Peer, now: number): number {
    const { table } = this;
    // Two out for each one in, so that the table shrinks to what is needed without a sweep of its own.
    this.forgetIdle(now);
    this.forgetIdle(now);
    if (table.size === table.max && table.head !== NONE) table.remove(table.head);
    const client =
      peer.family === 6
        ? table.insert(peer.a0 | 0, peer.a1 | 0, 0, 0, keyTag(6, 0, 0))
        : table.insert(0, 0, 0, peer.a3 | 0, keyTag(4, 0, 0));
    if (client === NONE) return NONE;
    if (client >= this.active.length) this.grow();
    this.active[client] = 0;
    this.tokens[client] = this.burst;
    this.last[client] = now;
    return client;
  }

  /** Drop the longest idle client if it would start with a full bucket anyway. */
  private forgetIdle(now: number): void {
    const client = this.table.head;
    if (client === NONE) return;
    const tokens = refill(this.tokens[client]!, this.last[client]!, now, this.perSecond, this.burst);
    if (this.perSecond === 0 || tokens >= this.burst) this.table.remove(client);
  }

  private grow(): void {
    const { capacity } = this.table;
    const active = new Int32Array(capacity);
    active.set(this.active);
    this.active = active;
    const tokens = new Float64Array(capacity);
    tokens.set(this.tokens);
    this.tokens = tokens;
    const last = new Float64Array(capacity);
    last.set(this.last);
    this.last = last;
  }
}

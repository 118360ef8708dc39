import { CidrList, type Peer } from '../address.js';
import type { LimitPlan } from '../pool/plan.js';
import type { SharedTable } from '../pool/table.js';
import { ClientCounts } from './client-counts.js';
import { RateLimit } from './rate.js';

export type Verdict = 'ok' | 'denied' | 'limit';

/**
 * Who may connect, how many, and how fast: the checks of one service, before a backend is picked. Each thread has its own
 * guard; what they count lies in memory that they share, so that a limit holds for all of them together.
 */
export class Guard {
  private readonly table: SharedTable;
  private readonly slot: number;
  private limits: LimitPlan;
  private allow: CidrList;
  private deny: CidrList;
  private rate: RateLimit;
  private readonly clients: ClientCounts;
  /** Which rule the last `admit` refused by: the key of the configuration. */
  refusedBy = '';

  /** `clients` as in the service's plan. */
  constructor(table: SharedTable, serviceSlot: number, limits: LimitPlan, clients?: SharedArrayBuffer) {
    this.table = table;
    this.slot = serviceSlot;
    this.limits = limits;
    this.allow = new CidrList(limits.allow);
    this.deny = new CidrList(limits.deny);
    this.rate = this.rateLimit(limits);
    this.clients = new ClientCounts(clientLimits(limits));
    if (clients !== undefined) this.clients.share(clients, table.index);
  }

  /** Take new limits; connections that are open stay, and what was taken from a bucket stays taken. */
  configure(limits: LimitPlan, clients?: SharedArrayBuffer): void {
    if (clients !== undefined && !this.clients.shared) this.clients.share(clients, this.table.index);
    this.rate = this.rateLimit(limits);
    this.limits = limits;
    this.allow = new CidrList(limits.allow);
    this.deny = new CidrList(limits.deny);
    this.clients.configure(clientLimits(limits));
  }

  /** Count one more in the service, until `leave`; false when that is more than `max_connections`, or `most`. */
  enter(most = Number.POSITIVE_INFINITY): boolean {
    const { maxConnections } = this.limits;
    const before = this.table.acquire(this.slot);
    return before < most && (before < maxConnections || maxConnections === 0);
  }

  leave(): void {
    this.table.release(this.slot);
  }

  /** Whether this client may open one more. `ok` counts it, and needs one `release` if `counts` was true then. */
  admit(peer: Peer, now: number): Verdict {
    if (this.deny.size > 0 && this.deny.matches(peer)) return this.refuse('denied', 'deny');
    if (this.allow.size > 0 && !this.allow.matches(peer)) return this.refuse('denied', 'allow');
    // The client first: one that is over its own limit must not use up everybody's rate.
    const counted = this.clients.enabled;
    const admission = this.clients.acquire(peer, now);
    if (admission === 'limit') return this.refuse('limit', 'max_connections_per_client');
    if (admission === 'rate') return this.refuse('limit', 'connection_rate_per_client');
    if (this.rate.take(now)) return 'ok';
    if (counted) this.clients.release(peer);
    return this.refuse('limit', 'connection_rate');
  }

  private refuse(verdict: Verdict, rule: string): Verdict {
    this.refusedBy = rule;
    return verdict;
  }

  /** Count a client's connection that was admitted in another process; false when clients are not counted. */
  readmit(peer: Peer): boolean {
    return this.clients.readmit(peer);
  }

  /** True while clients are counted: limits can be switched on and off while a connection lives. */
  get counts(): boolean {
    return this.clients.enabled;
  }

  release(peer: Peer): void {
    this.clients.release(peer);
  }

  private rateLimit({ connectionRate }: LimitPlan): RateLimit {
    return new RateLimit(connectionRate, undefined, this.table.rateCell(this.slot));
  }
}

function clientLimits(limits: LimitPlan) {
  return { maxActive: limits.maxConnectionsPerClient, perSecond: limits.connectionRatePerClient };
}

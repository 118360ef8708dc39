import type { Peer } from '../address.js';
import type { Relay } from '../engines/engine.js';
import type { CloseReason } from '../pool/reasons.js';
import { TimerEntry } from '../timer-wheel.js';
import type { Finished } from './sink.js';
import type { TcpService } from './tcp-service.js';

/** What is known of a connection when it is over, and its bytes in the totals meanwhile: its own record. */
export abstract class ConnectionAccount extends TimerEntry implements Finished {
  /** The client: the socket's other end, or who a PROXY header says it is. */
  client: Peer;
  backendSlot = -1;
  backend = '';
  connectMs = -1;
  durationMs = 0;
  attempts = 0;
  reason: CloseReason = 'internal_error';
  detail = '';
  /** Unique in its thread. */
  readonly serial: number;
  readonly startedAt: number;
  /** Its number among those that go to another process; -1 = it does not, or not yet. */
  copied = -1;
  /** When a byte last moved, as of the last `settle`. */
  activeAt: number;

  readonly owner: TcpService;
  relay: Relay | undefined = undefined;
  /** Bytes that are in the totals already. */
  private settledIn = 0;
  private settledOut = 0;

  constructor(owner: TcpService, client: Peer, now: number) {
    super();
    this.owner = owner;
    this.client = client;
    this.serial = owner.plane.nextSerial();
    this.startedAt = this.activeAt = now;
  }

  get service(): string {
    return this.owner.plan.name;
  }

  get serviceSlot(): number {
    return this.owner.plan.slot;
  }

  get bytesIn(): number {
    return this.relay === undefined ? 0 : this.relay.bytesIn;
  }

  get bytesOut(): number {
    return this.relay === undefined ? 0 : this.relay.bytesOut;
  }

  /** It is over: count it, and what was relayed last. Before its places are given back: whoever sees them free finds all counted. */
  protected close(now: number): void {
    const { totals } = this.owner.plane;
    this.settle(now);
    totals.ended(this.backendSlot === -1 ? this.serviceSlot : this.backendSlot, this.reason);
    if (this.connectMs < 0) totals.unserved[this.serviceSlot]!++;
  }

  /** Another process has counted what was relayed so far. */
  countFromHere(): void {
    this.settledIn = this.bytesIn;
    this.settledOut = this.bytesOut;
  }

  /** Add what was relayed since the last time to the totals. */
  settle(now: number): void {
    const { totals } = this.owner.plane;
    const { bytesIn, bytesOut } = this;
    const came = bytesIn - this.settledIn;
    const went = bytesOut - this.settledOut;
    if (came === 0 && went === 0) return;
    this.activeAt = now;
    this.settledIn = bytesIn;
    this.settledOut = bytesOut;
    totals.bytesIn[this.serviceSlot]! += came;
    totals.bytesOut[this.serviceSlot]! += went;
    if (this.backendSlot === -1) return;
    totals.bytesIn[this.backendSlot]! += came;
    totals.bytesOut[this.backendSlot]! += went;
  }
}

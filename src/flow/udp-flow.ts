import type { Peer } from '../address.js';
import type {
  DatagramListener,
  DatagramPeer,
  DatagramUpstream,
  UpstreamFailure,
  UpstreamObserver,
} from '../engines/engine.js';
import { sampleLatency } from '../pool/latency.js';
import type { PoolCandidate } from '../pool/picker.js';
import type { CloseReason } from '../pool/reasons.js';
import type { Finished } from './sink.js';
import type { UdpService } from './udp-service.js';

/** One UDP flow: a client address and port, and the socket towards its backend. Its own observer and its own record. */
export class UdpFlow implements UpstreamObserver, DatagramPeer, Finished {
  readonly peer: Peer;
  local: number;
  readonly listener: DatagramListener;
  /** Its place in the service's table; -1 once its client's next datagram is to start a new flow. */
  index = -1;
  /** When it was last active while it is in no table. */
  lastActive = 0;
  candidate: PoolCandidate;
  /** Its client's connections are counted. */
  readonly counted: boolean;
  /** The backend's port was unreachable, or there was no socket to be had: the next datagram tries again, elsewhere if it can. */
  broken = false;

  /** Unique in its thread. */
  readonly serial: number;
  /** Its number among those that go to another process; -1 = it does not, or not yet. */
  copied = -1;
  readonly startedAt: number;
  bytesIn = 0;
  bytesOut = 0;
  requests = 0;
  responses = 0;
  attempts = 1;
  durationMs = 0;
  reason: CloseReason = 'idle_timeout';
  detail = '';

  readonly owner: UdpService;
  askedAt: number;
  upstream: DatagramUpstream;
  private over = false;

  /** `upstream`: a socket that another process has connected. */
  constructor(
    owner: UdpService,
    listener: DatagramListener,
    from: DatagramPeer,
    candidate: PoolCandidate,
    now: number,
    counted: boolean,
    upstream?: (flow: UdpFlow) => DatagramUpstream,
  ) {
    this.owner = owner;
    this.counted = counted;
    this.listener = listener;
    this.peer = from.peer.clone();
    this.local = from.local;
    this.candidate = candidate;
    this.serial = owner.plane.nextSerial();
    this.startedAt = this.askedAt = now;
    this.upstream = upstream?.(this) ?? this.dial();
  }

  get service(): string {
    return this.owner.plan.name;
  }

  get serviceSlot(): number {
    return this.owner.plan.slot;
  }

  get client(): Peer {
    return this.peer;
  }

  /** True while it belongs to the backend in this slot. */
  has(slot: number): boolean {
    return this.candidate.slot === slot;
  }

  get backendSlot(): number {
    return this.candidate.slot;
  }

  get backend(): string {
    return this.candidate.id;
  }

  get activeAt(): number {
    return this.owner.activeAt(this);
  }

  /** A datagram needs no connecting. */
  get connectMs(): number {
    return 0;
  }

  /** A datagram from the client. */
  forward(data: Uint8Array, offset: number, length: number, now: number): void {
    const { totals } = this.owner.plane;
    const { slot } = this.candidate;
    if (this.responses === 0 && this.requests === 0) this.askedAt = now;
    this.requests++;
    this.bytesIn += length;
    totals.bytesIn[slot]! += length;
    totals.datagramsIn[slot]!++;
    totals.bytesIn[this.serviceSlot]! += length;
    totals.datagramsIn[this.serviceSlot]!++;
    this.upstream.send(data, offset, length);
  }

  onReply(data: Uint8Array, offset: number, length: number): void {
    const { owner } = this;
    const { totals, table, engine } = owner.plane;
    const { slot } = this.candidate;
    if (this.over) return;
    const now = engine.now();
    if (this.responses++ === 0) {
      sampleLatency(table, slot, now - this.askedAt, now);
      totals.responseTook(slot, now - this.askedAt);
    }
    if (table.failures[slot] !== 0) Atomics.store(table.failures, slot, 0);
    this.bytesOut += length;
    totals.bytesOut[slot]! += length;
    totals.datagramsOut[slot]!++;
    totals.bytesOut[this.serviceSlot]! += length;
    totals.datagramsOut[this.serviceSlot]!++;
    this.listener.send(data, offset, length, this);
    owner.replied(this, now);
  }

  onUpstreamError(failure: UpstreamFailure): void {
    const { plane, plan } = this.owner;
    if (this.over) return;
    if (failure.local) {
      plane.sink.trouble(`flow to ${this.backend}: ${failure.reason}`);
      // There may be descriptors again when the client sends its next datagram.
      if (failure.dead) this.broken = true;
      return;
    }
    const { slot } = this.candidate;
    this.detail = failure.reason;
    plane.totals.connectFailures[slot]!++;
    plane.backendFailed(slot, plan.passiveFailures, failure.reason);
    this.broken = true;
  }

  /** Go on with another backend, whose place is taken already. */
  moveTo(candidate: PoolCandidate): void {
    if (this.copied !== -1) this.owner.plane.outgoing.forget(this);
    this.upstream.close();
    this.owner.plane.table.release(this.candidate.slot);
    this.candidate = candidate;
    this.broken = false;
    this.attempts++;
    this.upstream = this.dial();
  }

  end(reason: CloseReason, detail = ''): void {
    if (this.over) return;
    this.over = true;
    if (this.copied !== -1) this.owner.plane.outgoing.forget(this);
    if (detail !== '') this.detail = detail;
    this.reason = reason;
    this.durationMs = this.owner.plane.engine.now() - this.startedAt;
    this.upstream.close();
    this.owner.plane.totals.ended(this.candidate.slot, reason);
    this.owner.plane.table.release(this.candidate.slot);
    this.owner.finished(this);
  }

  private dial(): DatagramUpstream {
    const { plane, plan } = this.owner;
    plane.totals.connections[this.candidate.slot]!++;
    return plane.engine.dialUdp(this.candidate.plan.endpoint, plan.socket, this);
  }
}

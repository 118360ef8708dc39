import type { RelayEnd, RelayObserver, StreamConn } from '../engines/engine.js';
import { sampleLatency } from '../pool/latency.js';
import type { CloseReason } from '../pool/reasons.js';
import { ConnectionSearch } from './connection-search.js';
import { buildProxyHeader } from './proxy-protocol.js';

/**
 * The life of one TCP connection: header → admission → pick → dial (→ another backend) → relay → account. One object
 * that is at once the observer of its sockets, its own timer and its record, so that a connection costs few allocations; each
 * class that it extends is one part of that life, and this one the relay and the end.
 */
export class Connection extends ConnectionSearch implements RelayObserver {
  /** Links of the service's list. */
  prev: Connection | undefined = undefined;
  next: Connection | undefined = undefined;
  halfClosedAt = 0;

  onTimer(now: number): void {
    switch (this.phase) {
      case 'header':
        this.headerTimedOut(now);
        break;
      case 'queued':
        this.waitTimedOut();
        break;
      case 'dialling':
        this.dialTimedOut();
        break;
      case 'starved':
        this.pick();
        break;
      case 'relaying':
        this.checkIdle(now);
        break;
      case 'over':
        break;
    }
  }

  onDialled(upstream: StreamConn): void {
    const { owner } = this;
    const { table, totals, engine } = owner.plane;
    const slot = this.backendSlot;
    const now = engine.now();
    this.dialling = undefined;
    this.connectMs = now - this.dialledAt;
    this.phase = 'relaying';
    if (table.failures[slot] !== 0) {
      Atomics.store(table.failures, slot, 0);
      // Others may wait because it refused them.
      owner.serveQueue();
    }
    // What a backend before this one failed with is no reason for how it ends.
    if (this.detail !== '') this.detail = `an earlier attempt: ${this.detail}`;
    totals.connections[slot]!++;
    totals.connectTook(slot, this.connectMs);
    const { send } = owner.plan.proxyProtocol;
    if (send !== 'off') {
      upstream.write(buildProxyHeader(send, this.client, this.destination ?? this.socket.local()));
    }
    this.socket.observe(undefined);
    const { idle, halfClosed } = owner.plan.timeouts;
    this.relay = engine.relay(this.socket, upstream, this, idle > 0);
    this.relay.start();
    if (this.isOver) return;
    if (idle > 0) this.timer(idle);
    else if (this.halfClosedAt > 0 && halfClosed > 0) this.timer(halfClosed);
    else engine.timers.cancel(this);
  }

  onFirstByte(ms: number): void {
    const { table, totals, engine } = this.owner.plane;
    sampleLatency(table, this.backendSlot, ms, engine.now());
    totals.responseTook(this.backendSlot, ms);
  }

  onHalfClosed(): void {
    const { halfClosed } = this.owner.plan.timeouts;
    if (halfClosed === 0 || this.halfClosedAt > 0) return;
    this.halfClosedAt = this.owner.plane.engine.now();
    if (this.relay !== undefined) this.checkIdle(this.halfClosedAt);
  }

  onRelayEnd(end: RelayEnd | undefined, cut?: RelayEnd): void {
    if (end !== undefined) this.reason = end;
    if (cut !== undefined && cut !== end) {
      this.detail = `${this.detail === '' ? '' : `${this.detail}; `}then ${cut}`;
    }
    this.over();
  }

  /** True while it is connected to the backend in this slot, or being so; not when it has only tried. */
  has(slot: number): boolean {
    return this.candidate?.slot === slot;
  }

  end(reason: CloseReason, detail = ''): void {
    if (this.phase === 'over') return;
    if (detail !== '') this.detail = detail;
    if (this.phase === 'dialling' && reason === 'backend_down') {
      // Nothing was promised yet: it goes elsewhere.
      this.dialling?.cancel();
      this.failure = reason;
      this.dialElsewhere('the backend went down');
    } else if (this.phase === 'relaying') {
      this.reason = reason;
      this.relay!.abort(false);
    } else {
      this.fail(reason);
    }
  }

  protected fail(reason: CloseReason, hard = false): void {
    if (this.phase === 'over' || this.phase === 'relaying') return;
    this.stopSearch();
    this.reason = reason;
    if (hard || reason === 'client_reset') this.socket.reset();
    else this.socket.close();
    this.over();
  }

  private checkIdle(now: number): void {
    const { idle, halfClosed } = this.owner.plan.timeouts;
    let wait = Number.POSITIVE_INFINITY;
    if (idle > 0) wait = this.relay!.activeAt + idle - now;
    const isIdle = wait <= 0;
    if (halfClosed > 0 && this.halfClosedAt > 0) wait = Math.min(wait, this.halfClosedAt + halfClosed - now);
    if (wait <= 0) this.end('idle_timeout', isIdle ? 'idle' : 'half_closed');
    else if (wait !== Number.POSITIVE_INFINITY) this.timer(wait);
  }

  private get isOver(): boolean {
    return this.phase === 'over';
  }

  private over(): void {
    if (this.phase === 'over') return;
    const { owner } = this;
    this.phase = 'over';
    owner.plane.engine.timers.cancel(this);
    const now = owner.plane.engine.now();
    this.durationMs = now - this.startedAt;
    if (this.copied !== -1) owner.plane.outgoing.forget(this);
    this.close(now);
    this.releasePlace();
    if (this.counted) owner.guard.release(this.client);
    owner.finished(this);
  }
}

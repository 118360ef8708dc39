import type { Peer } from '../address.js';
import type {
  ConnObserver,
  Dial,
  DialFailure,
  DialObserver,
  RelayEnd,
  RelayObserver,
  StreamConn,
} from '../engines/engine.js';
import { sampleLatency } from '../pool/latency.js';
import type { PoolCandidate } from '../pool/picker.js';
import type { CloseReason } from '../pool/reasons.js';
import { ConnectionAccount } from './connection-account.js';
import { buildProxyHeader, PROXY_INVALID, ProxyHeader, parseProxyHeader } from './proxy-protocol.js';
import type { TcpService } from './tcp-service.js';

/** How long descriptors or ports are waited for where a connect may take for ever. */
const LOCAL_PATIENCE_MS = 5_000;
/** How soon a dial that failed for lack of descriptors or ports is tried again. */
const LOCAL_RETRY_MS = 50;

export type Phase = 'header' | 'queued' | 'dialling' | 'starved' | 'relaying' | 'over';

/** One header at a time is parsed in a thread; what counts is copied out. */
const header = new ProxyHeader();

/**
 * The life of one TCP connection: header → admission → pick → dial (→ another backend) → relay → account. One object
 * that is at once the observer of its sockets, its own timer and its record, so that a connection costs few allocations.
 */
export class Connection extends ConnectionAccount implements ConnObserver, DialObserver, RelayObserver {
  /** Links of the service's list and of its queue. */
  prev: Connection | undefined = undefined;
  next: Connection | undefined = undefined;
  queuePrev: Connection | undefined = undefined;
  queueNext: Connection | undefined = undefined;
  /** Its place in the queue over all threads. */
  ticket = 0;

  readonly socket: StreamConn;
  phase: Phase = 'header';
  candidate: PoolCandidate | undefined = undefined;
  dialling: Dial | undefined = undefined;
  dialledAt = 0;
  /** What refused it, one after the other; when it waits, as long as the last dial there failed. */
  tried: number[] | undefined = undefined;
  /** Until when it may wait in the queue, over all its turns there; 0 = it has not waited yet. */
  waitsUntil = 0;
  /** Why it would fail if no other backend is found. */
  failure: CloseReason = 'no_backend';
  destination: Peer | undefined = undefined;
  counted = false;
  clientFinished = false;
  halfClosedAt = 0;

  constructor(owner: TcpService, socket: StreamConn, now: number) {
    super(owner, socket.peer, now);
    this.socket = socket;
  }

  start(): void {
    this.socket.observe(this);
    if (!this.owner.expectsHeader(this.socket.peer)) {
      this.admit();
      return;
    }
    this.timer(this.owner.plan.timeouts.header);
    this.socket.readHead();
  }

  /** Turned away at the door: the service has as many connections as it may. */
  turnAway(): void {
    this.detail = 'the service is at max_connections';
    this.fail('limit', true);
  }

  onHead(): void {
    if (this.phase === 'header') this.readHeader();
  }

  onFin(): void {
    // A client that has sent something and then FIN waits for an answer; one that has sent nothing is gone.
    this.clientFinished = true;
    if (this.socket.head.length > 0 && this.phase !== 'header') return;
    if (this.phase === 'header' && this.socket.head.length > 0)
      this.refuseHeader('the header ends too early');
    else this.fail('client_closed');
  }

  onBroken(): void {
    this.fail('client_reset');
  }

  onTimer(now: number): void {
    switch (this.phase) {
      case 'header':
        this.refuseHeader(`no complete header within ${Math.round(now - this.startedAt)} ms`);
        break;
      case 'queued':
        this.endWait();
        break;
      case 'dialling':
        this.dialling!.cancel();
        this.failure = 'connect_timeout';
        this.backendFailed('connection timed out');
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

  /** Pick a backend and dial it; wait if there is none. Called again for each further attempt and by the queue. */
  pick(): void {
    const { owner } = this;
    if (this.phase === 'queued') {
      this.reviewTried();
    } else if (this.attempts === 0 && owner.queue.isUsed) {
      // Those who wait come first.
      if (this.wait()) owner.serveQueue();
      else this.refuse('the queue is full');
      return;
    }
    const candidate = owner.picker.pick(this.client, this.tried);
    if (candidate !== undefined) {
      if (this.phase === 'queued') owner.queue.remove(this);
      this.dial(candidate);
    } else if (this.phase !== 'queued') {
      this.waitOrFail();
    }
  }

  /** Try what refused it a while ago as well, whatever happened there since. */
  forgetTried(): void {
    this.tried = undefined;
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

  onDialFailed(failure: DialFailure): void {
    this.dialling = undefined;
    if (!failure.local) {
      this.failure = 'connect_failed';
      this.backendFailed(failure.reason);
      return;
    }
    // The backend is not to blame: wait for descriptors or ports as long as a connect may take.
    const { plane, plan } = this.owner;
    plane.sink.trouble(`connecting to ${this.backend}: ${failure.reason}`);
    this.releasePlace();
    const patience = plan.timeouts.connect === 0 ? LOCAL_PATIENCE_MS : plan.timeouts.connect;
    if (plane.engine.now() - this.startedAt > patience) {
      this.detail = failure.reason;
      this.fail('connect_failed');
      return;
    }
    this.attempts--;
    this.phase = 'starved';
    this.timer(LOCAL_RETRY_MS);
    this.owner.serveQueue();
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

  /** End it now, whatever it is doing, with this reason. Does nothing once it is over. */
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

  private refuse(detail: string): void {
    this.detail = detail;
    this.fail('limit');
  }

  /** Nobody is there to dial now. */
  private waitOrFail(): void {
    const { owner, tried } = this;
    if (this.wait()) {
      // A place may have been given back, or a backend come up, before the queue knew of this one.
      if (tried === undefined) owner.serveQueue();
    } else if (tried === undefined && owner.picker.noPick === 'full') {
      this.refuse('every backend is at max_connections');
    } else {
      this.fail(this.failure);
    }
  }

  /** Into the queue; false when that is full. */
  private wait(): boolean {
    const { owner } = this;
    if (!owner.enqueue(this)) return false;
    this.phase = 'queued';
    const { queue } = owner.plan.timeouts;
    const now = owner.plane.engine.now();
    if (this.waitsUntil === 0) this.waitsUntil = now + queue;
    this.timer(queue === 0 ? 0 : Math.max(1, this.waitsUntil - now));
    return true;
  }

  private endWait(): void {
    const { noPick } = this.owner.picker;
    this.detail ||= noPick === 'full' ? 'every backend is at max_connections' : 'no backend is usable';
    this.fail('queue_timeout');
  }

  /** What has served somebody since it refused this one may be tried again, and so may what went down and came back. */
  private reviewTried(): void {
    if (this.tried === undefined) return;
    const { failures } = this.owner.plane.table;
    const left = this.tried.filter(slot => Atomics.load(failures, slot) !== 0);
    this.tried = left.length === 0 ? undefined : left;
  }

  private readHeader(): void {
    const used = parseProxyHeader(this.socket.head, this.owner.headerMode, header);
    if (used === 0) return;
    if (used === PROXY_INVALID) {
      this.refuseHeader(header.error);
      return;
    }
    if (!header.local) {
      this.client = header.source.clone();
      this.destination = header.destination.clone();
    }
    this.socket.consume(used);
    if (this.clientFinished && this.socket.head.length === 0) this.fail('client_closed');
    else this.admit();
  }

  private refuseHeader(detail: string): void {
    this.detail = detail;
    this.fail('bad_proxy_header', true);
  }

  private admit(): void {
    const { guard, plane } = this.owner;
    const counted = guard.counts;
    const verdict = guard.admit(this.client, plane.engine.now());
    if (verdict !== 'ok') {
      this.detail = guard.refusedBy;
      this.fail(verdict, true);
      return;
    }
    this.counted = counted;
    this.phase = 'dialling';
    this.pick();
  }

  private dial(candidate: PoolCandidate): void {
    this.phase = 'dialling';
    this.candidate = candidate;
    this.backendSlot = candidate.slot;
    this.backend = candidate.id;
    this.attempts++;
    this.dialledAt = this.owner.plane.engine.now();
    this.timer(this.owner.plan.timeouts.connect);
    this.redial(candidate);
  }

  /** Begin to connect, for an attempt that counts already. */
  redial(candidate: PoolCandidate): void {
    const { owner } = this;
    this.dialling = owner.plane.engine.dial(candidate.plan.endpoint, owner.plan.socket, this);
  }

  private backendFailed(reason: string): void {
    const { plane, plan } = this.owner;
    const slot = this.backendSlot;
    plane.totals.connectFailures[slot]!++;
    // Before it is told: whoever hears of it may end all that the backend has.
    this.releasePlace();
    plane.backendFailed(slot, plan.passiveFailures, reason);
    this.dialElsewhere(reason);
  }

  /** The dial came to nothing, and why. */
  private dialElsewhere(reason: string): void {
    const { plane, plan } = this.owner;
    const slot = this.backendSlot;
    this.dialling = undefined;
    this.detail = reason;
    this.releasePlace();
    if (this.tried === undefined) this.tried = [slot];
    else this.tried.push(slot);
    if (this.tried.length >= plan.attempts) {
      this.waitOrFail();
    } else {
      // A retry only counts as one when there is somewhere else to go.
      const before = this.attempts;
      this.pick();
      if (this.attempts > before) plane.totals.retries[slot]!++;
    }
    this.owner.serveQueue();
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

  /** 0 = no timer. */
  private timer(ms: number): void {
    const { engine } = this.owner.plane;
    if (ms > 0) engine.timers.schedule(this, ms, engine.now());
    else engine.timers.cancel(this);
  }

  /** End before anything was relayed. `hard`: whoever must not be here gets RST, which costs us no TIME_WAIT. */
  private fail(reason: CloseReason, hard = false): void {
    if (this.phase === 'over' || this.phase === 'relaying') return;
    if (this.phase === 'queued') this.owner.queue.remove(this);
    this.dialling?.cancel();
    this.dialling = undefined;
    this.reason = reason;
    if (hard || reason === 'client_reset') this.socket.reset();
    else this.socket.close();
    this.over();
  }

  private releasePlace(): void {
    if (this.candidate === undefined) return;
    this.owner.plane.table.release(this.candidate.slot);
    this.candidate = undefined;
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

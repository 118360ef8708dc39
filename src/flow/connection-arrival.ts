import type { Peer } from '../address.js';
import type { ConnObserver, StreamConn } from '../engines/engine.js';
import type { CloseReason } from '../pool/reasons.js';
import { ConnectionAccount } from './connection-account.js';
import { PROXY_INVALID, ProxyHeader, parseProxyHeader } from './proxy-protocol.js';
import type { TcpService } from './tcp-service.js';

export type Phase = 'header' | 'queued' | 'dialling' | 'starved' | 'relaying' | 'over';

/** One header at a time is parsed in a thread; what counts is copied out. */
const header = new ProxyHeader();

/** How a connection comes in: PROXY header → admission. */
export abstract class ConnectionArrival extends ConnectionAccount implements ConnObserver {
  readonly socket: StreamConn;
  phase: Phase = 'header';
  destination: Peer | undefined = undefined;
  /** It counts against the limits of its client. */
  counted = false;
  clientFinished = false;

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

  /** It is admitted: find a backend for it. */
  abstract pick(): void;

  /** End before anything was relayed. `hard`: whoever must not be here gets RST, which costs us no TIME_WAIT. */
  protected abstract fail(reason: CloseReason, hard?: boolean): void;

  /** The header was waited for long enough. */
  protected headerTimedOut(now: number): void {
    this.refuseHeader(`no complete header within ${Math.round(now - this.startedAt)} ms`);
  }

  /** 0 = no timer. */
  protected timer(ms: number): void {
    const { engine } = this.owner.plane;
    if (ms > 0) engine.timers.schedule(this, ms, engine.now());
    else engine.timers.cancel(this);
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
}

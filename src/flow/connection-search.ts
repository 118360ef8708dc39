import type { Dial, DialFailure, DialObserver, StreamConn } from '../engines/engine.js';
import type { PoolCandidate } from '../pool/picker.js';
import type { CloseReason } from '../pool/reasons.js';
import { ConnectionArrival } from './connection-arrival.js';

/** How long descriptors or ports are waited for where a connect may take for ever. */
const LOCAL_PATIENCE_MS = 5_000;
/** How soon a dial that failed for lack of descriptors or ports is tried again. */
const LOCAL_RETRY_MS = 50;

/** How a connection comes to its backend: pick → dial, another one where that fails, and the queue where there is none. */
export abstract class ConnectionSearch extends ConnectionArrival implements DialObserver {
  /** Links of the service's queue. */
  queuePrev: ConnectionSearch | undefined = undefined;
  queueNext: ConnectionSearch | undefined = undefined;
  /** Its place in the queue over all threads. */
  ticket = 0;

  /** The backend at which it has a place. */
  candidate: PoolCandidate | undefined = undefined;
  dialling: Dial | undefined = undefined;
  dialledAt = 0;
  /** What refused it, one after the other; when it waits, as long as the last dial there failed. */
  tried: number[] | undefined = undefined;
  /** Until when it may wait in the queue, over all its turns there; 0 = it has not waited yet. */
  waitsUntil = 0;
  /** Why it would fail if no other backend is found. */
  failure: CloseReason = 'no_backend';

  abstract onDialled(upstream: StreamConn): void;

  /** End it now, whatever it is doing, with this reason. Does nothing once it is over. */
  abstract end(reason: CloseReason, detail?: string): void;

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

  /** Begin to connect, for an attempt that counts already. */
  redial(candidate: PoolCandidate): void {
    const { owner } = this;
    this.dialling = owner.plane.engine.dial(candidate.plan.endpoint, owner.plan.socket, this);
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

  /** The backend has not answered within the time that a connect may take. */
  protected dialTimedOut(): void {
    this.dialling!.cancel();
    this.failure = 'connect_timeout';
    this.backendFailed('connection timed out');
  }

  /** It has waited in the queue as long as it may. */
  protected waitTimedOut(): void {
    const { noPick } = this.owner.picker;
    this.detail ||= noPick === 'full' ? 'every backend is at max_connections' : 'no backend is usable';
    this.fail('queue_timeout');
  }

  /** The dial came to nothing, and why. */
  protected dialElsewhere(reason: string): void {
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

  /** It dials nobody any more and waits for nobody. */
  protected stopSearch(): void {
    if (this.phase === 'queued') this.owner.queue.remove(this);
    this.dialling?.cancel();
    this.dialling = undefined;
  }

  protected releasePlace(): void {
    if (this.candidate === undefined) return;
    this.owner.plane.table.release(this.candidate.slot);
    this.candidate = undefined;
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

  private backendFailed(reason: string): void {
    const { plane, plan } = this.owner;
    const slot = this.backendSlot;
    plane.totals.connectFailures[slot]!++;
    // Before it is told: whoever hears of it may end all that the backend has.
    this.releasePlace();
    plane.backendFailed(slot, plan.passiveFailures, reason);
    this.dialElsewhere(reason);
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

  /** What has served somebody since it refused this one may be tried again, and so may what went down and came back. */
  private reviewTried(): void {
    if (this.tried === undefined) return;
    const { failures } = this.owner.plane.table;
    const left = this.tried.filter(slot => Atomics.load(failures, slot) !== 0);
    this.tried = left.length === 0 ? undefined : left;
  }

  private refuse(detail: string): void {
    this.detail = detail;
    this.fail('limit');
  }
}

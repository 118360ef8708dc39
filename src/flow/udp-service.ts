import type { DatagramListener, DatagramObserver, DatagramPeer } from '../engines/engine.js';
import type { Picker, PoolCandidate } from '../pool/picker.js';
import type { ServicePlan } from '../pool/plan.js';
import type { CloseReason } from '../pool/reasons.js';
import { TimerEntry, UNSCHEDULED } from '../timer-wheel.js';
import { FlowTable } from './flow-table.js';
import { Guard } from './guard.js';
import type { DataPlane } from './plane.js';
import { UdpFlow } from './udp-flow.js';

/** How often expired flows are looked for, at most; and how many are ended in one go. */
const SWEEP_MS = 1_000;
const SWEEP_BUDGET = 2_000;
const NONE = -1;

/** One UDP service in one thread: its flows, its guard and its picker. */
export class UdpService extends TimerEntry implements DatagramObserver {
  readonly plane: DataPlane;
  readonly picker: Picker;
  readonly guard: Guard;
  plan: ServicePlan;
  /** No new flows any more: the service is gone or the process shuts down. */
  closed = false;
  private flows: FlowTable<UdpFlow>;
  /** Flows whose client starts a new one with its next datagram; they wait for answers, the longest quiet first. */
  private readonly detached = new Set<UdpFlow>();
  private readonly tried: number[] = [NONE];

  constructor(plane: DataPlane, plan: ServicePlan, picker: Picker) {
    super();
    this.plane = plane;
    this.plan = plan;
    this.picker = picker;
    this.guard = new Guard(plane.table, plan.slot, plan.limits, plan.clients);
    this.flows = new FlowTable(plan.udp.maxFlows);
    picker.setBackends(plan.backends);
  }

  get size(): number {
    return this.flows.size + this.detached.size;
  }

  update(plan: ServicePlan): void {
    const resized = plan.udp.maxFlows !== this.plan.udp.maxFlows;
    this.plan = plan;
    this.guard.configure(plan.limits, plan.clients);
    this.picker.setBackends(plan.backends);
    if (resized) this.resize();
    // A flow must not stay pinned to a backend that is gone.
    const slots = new Map(plan.backends.map(({ slot, key }) => [slot, key]));
    for (const flow of this.all()) {
      if (slots.get(flow.candidate.slot) !== flow.candidate.key) flow.broken = true;
    }
    if (this.size > 0) this.armSweep();
  }

  onDatagram(
    listener: DatagramListener,
    data: Uint8Array,
    offset: number,
    length: number,
    from: DatagramPeer,
  ): void {
    const now = this.plane.engine.now();
    const index = this.flows.find(from.peer, listener.id);
    const flow = index === NONE ? this.open(listener, from, now) : this.usable(index);
    if (flow === undefined) return;
    this.flows.touch(flow.index, now);
    flow.local = from.local;
    flow.forward(data, offset, length, now);
    const { requests } = this.plan.udp;
    if (requests > 0 && flow.requests >= requests) this.detach(flow, now);
  }

  /** A flow that another process had. */
  adopt(flow: UdpFlow): void {
    flow.index = this.flows.set(flow.peer, flow.listener.id, flow, flow.startedAt);
    if (flow.index === NONE) this.detached.add(flow);
  }

  /** Where an adopted flow stands among the others: to be called in the order of their last activity. */
  place(flow: UdpFlow, lastActive: number, detached: boolean): void {
    if (detached && flow.index !== NONE) this.detach(flow, lastActive);
    else if (flow.index !== NONE) this.flows.touch(flow.index, lastActive);
    flow.lastActive = lastActive;
    if (this.timerSlot === UNSCHEDULED) this.armSweep();
  }

  /** An adopted flow is over in the process that it came from. */
  drop(flow: UdpFlow): void {
    if (flow.index === NONE) this.detached.delete(flow);
    else this.flows.delete(flow.index);
  }

  /** A backend has answered. */
  replied(flow: UdpFlow, now: number): void {
    const { responses } = this.plan.udp;
    // Two questions may be under way in one flow (A and AAAA): each gets its answer.
    if (responses > 0 && flow.responses >= responses && flow.responses >= flow.requests) {
      flow.end('backend_closed');
    } else if (flow.index !== NONE) {
      this.flows.touch(flow.index, now);
    } else {
      flow.lastActive = now;
      this.detached.delete(flow);
      this.detached.add(flow);
    }
  }

  /** A flow is over and has released its backend. */
  finished(flow: UdpFlow): void {
    if (flow.index === NONE) this.detached.delete(flow);
    else this.flows.delete(flow.index);
    if (flow.counted) this.guard.release(flow.peer);
    this.guard.leave();
    this.plane.sink.finished(flow);
    this.plane.room.leave();
    this.plane.forget(this);
  }

  /** All flows; none must begin or end meanwhile. */
  *all(): Iterable<UdpFlow> {
    for (let i = this.flows.oldest(); i !== NONE; i = this.flows.newer(i)) yield this.flows.value(i);
    yield* this.detached;
  }

  /** When a flow's last datagram came or went. */
  activeAt({ index, lastActive }: UdpFlow): number {
    return index === NONE ? lastActive : this.flows.lastActive(index);
  }

  /** Nobody waits in a UDP service. */
  endWaiting(_reason: CloseReason): void {}
  serveQueue(): void {}

  /** Flows count their datagrams as they go. */
  settle(): void {}

  /** End the flows that have been quiet for too long, a bounded number at a time. */
  onTimer(now: number): void {
    const { idle } = this.plan.timeouts;
    if (idle === 0) return;
    let budget = SWEEP_BUDGET;
    for (let i = this.flows.oldest(); i !== NONE && budget > 0; i = this.flows.oldest(), budget--) {
      if (this.flows.lastActive(i) + idle > now) break;
      this.flows.value(i).end('idle_timeout');
    }
    for (const flow of this.detached) {
      if (flow.lastActive + idle > now || budget-- <= 0) break;
      flow.end(this.plan.udp.requests > 0 ? 'client_closed' : 'idle_timeout');
    }
    if (this.size > 0) this.armSweep();
  }

  private open(listener: DatagramListener, from: DatagramPeer, now: number): UdpFlow | undefined {
    const { totals } = this.plane;
    const { slot } = this.plan;
    if (this.closed) {
      totals.droppedNoBackend[slot]!++;
      return undefined;
    }
    if (!this.enter()) {
      totals.droppedLimit[slot]!++;
      return undefined;
    }
    const counted = this.guard.counts;
    const verdict = this.guard.admit(from.peer, now);
    const candidate = verdict === 'ok' ? this.picker.pick(from.peer, undefined) : undefined;
    if (candidate === undefined) {
      if (verdict === 'denied') totals.droppedDenied[slot]!++;
      else if (verdict === 'limit') totals.droppedLimit[slot]!++;
      else {
        totals.droppedNoBackend[slot]!++;
        if (counted) this.guard.release(from.peer);
      }
      this.guard.leave();
      this.plane.room.leave();
      return undefined;
    }
    totals.connections[slot]!++;
    const flow = new UdpFlow(this, listener, from, candidate, now, counted);
    flow.index = this.flows.set(from.peer, listener.id, flow, now);
    if (this.timerSlot === UNSCHEDULED) this.armSweep();
    return flow;
  }

  /** The flow at `index`, with another backend if its own must not keep it; undefined when there is none to go to. */
  private usable(index: number): UdpFlow | undefined {
    const flow = this.flows.value(index);
    if (!flow.broken && this.picker.keeps(flow.candidate)) return flow;
    this.tried[0] = flow.candidate.slot;
    // A lone backend whose port was unreachable may be back: then the same one again.
    const next: PoolCandidate | undefined =
      this.picker.pick(flow.peer, this.tried) ?? this.picker.pick(flow.peer, undefined);
    if (next === undefined) {
      this.plane.totals.droppedNoBackend[this.plan.slot]!++;
      flow.end('backend_down');
      return undefined;
    }
    flow.moveTo(next);
    return flow;
  }

  private detach(flow: UdpFlow, now: number): void {
    this.flows.delete(flow.index);
    flow.index = NONE;
    flow.lastActive = now;
    this.detached.add(flow);
  }

  private enter(): boolean {
    const { room } = this.plane;
    if (!room.tryEnter()) return false;
    if (this.guard.enter(this.plan.udp.maxFlows)) return true;
    this.guard.leave();
    room.leave();
    return false;
  }

  private resize(): void {
    const old = this.flows;
    this.flows = new FlowTable(this.plan.udp.maxFlows);
    for (let i = old.oldest(); i !== NONE; i = old.newer(i)) {
      const flow = old.value(i);
      flow.index = this.flows.set(flow.peer, flow.listener.id, flow, old.lastActive(i));
      if (flow.index === NONE) this.detached.add(flow);
    }
  }

  private armSweep(): void {
    const { idle } = this.plan.timeouts;
    if (idle === 0) return;
    this.plane.engine.timers.schedule(
      this,
      Math.min(SWEEP_MS, Math.max(idle / 4, 10)),
      this.plane.engine.now(),
    );
  }
}

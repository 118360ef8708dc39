import type { DatagramListener, Transfer } from '../engines/engine.js';
import type { PackReader, PackWriter } from '../pack.js';
import { PROCESS_SLOT } from '../pool/table.js';
import { acquireAgain } from './connection-record.js';
import { UdpFlow } from './udp-flow.js';
import type { UdpService } from './udp-service.js';

/** Bits of one number. */
const BROKEN = 1;
const DETACHED = 2;

/** A flow on its way to another process: what does not change while its backend is the same. */
export function saveFlow(flow: UdpFlow, transfer: Transfer, into: PackWriter): void {
  into.number(flow.startedAt);
  into.number(flow.counted ? 1 : 0);
  into.peer(flow.peer);
  into.number(flow.candidate.slot);
  into.text(flow.candidate.id);
  into.text(flow.candidate.key);
  into.number(flow.attempts);
  transfer.saveUpstream(flow.upstream, into);
}

/** The flow, with its places taken. It is where its client's datagrams look for it. */
export function loadFlow(
  owner: UdpService,
  listener: DatagramListener,
  transfer: Transfer,
  from: PackReader,
): UdpFlow {
  const { plane, plan, guard } = owner;
  const startedAt = from.number();
  const wasCounted = from.number() === 1;
  const peer = from.peer();
  const slot = from.number();
  const id = from.text();
  const candidate = acquireAgain(owner, slot, id, from.text());
  const attempts = from.number();
  const counted = wasCounted && guard.readmit(peer);
  let alive = false;
  const flow = new UdpFlow(owner, listener, { peer, local: 0 }, candidate, startedAt, counted, one => {
    const upstream = transfer.loadUpstream(from, candidate.plan.endpoint, plan.socket, one);
    alive = upstream !== undefined;
    return upstream ?? NO_UPSTREAM;
  });
  flow.broken = !alive;
  flow.attempts = attempts;
  plane.table.acquire(PROCESS_SLOT);
  guard.enter();
  owner.adopt(flow);
  return flow;
}

/** How things stand with it. */
export function saveFlowState(flow: UdpFlow, transfer: Transfer, into: PackWriter): void {
  into.number((flow.broken ? BROKEN : 0) | (flow.index === -1 ? DETACHED : 0));
  into.number(flow.activeAt);
  into.number(flow.askedAt);
  into.number(flow.bytesIn);
  into.number(flow.bytesOut);
  into.number(flow.requests);
  into.number(flow.responses);
  into.text(flow.detail);
  transfer.saveLocal(flow.listener, flow.local, into);
}

/** It goes on from there; `place` puts it where it belongs in the order of activity. */
export function loadFlowState(flow: UdpFlow, transfer: Transfer, from: PackReader): FlowPlace {
  const bits = from.number();
  const activeAt = from.number();
  flow.broken ||= (bits & BROKEN) !== 0;
  flow.askedAt = from.number();
  flow.bytesIn = from.number();
  flow.bytesOut = from.number();
  flow.requests = from.number();
  flow.responses = from.number();
  flow.detail = from.text();
  flow.local = transfer.loadLocal(flow.listener, from);
  return { flow, activeAt, detached: (bits & DETACHED) !== 0 };
}

export interface FlowPlace {
  readonly flow: UdpFlow;
  readonly activeAt: number;
  readonly detached: boolean;
}

/** It is over in the process that it came from, or has another backend there. */
export function dropFlow(flow: UdpFlow, transfer: Transfer): void {
  const { owner, candidate } = flow;
  const { table } = owner.plane;
  transfer.drop(flow.upstream);
  owner.drop(flow);
  table.release(candidate.slot);
  table.release(PROCESS_SLOT);
  owner.guard.leave();
  if (flow.counted) owner.guard.release(flow.peer);
}

/** The socket was lost: the client's next datagram opens another. */
const NO_UPSTREAM = { send() {}, close() {} };

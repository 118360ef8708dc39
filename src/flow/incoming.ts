import { PackReader, PackWriter } from '../pack.js';
import { Connection } from './connection.js';
import {
  dropConnection,
  loadConnection,
  loadConnectionState,
  saveConnectionState,
} from './connection-record.js';
import { dropFlow, type FlowPlace, loadFlow, loadFlowState, saveFlowState } from './flow-record.js';
import { ANYWHERE, type Export, REHEARSALS } from './outgoing.js';
import type { Closing, DataPlane } from './plane.js';
import { TcpService } from './tcp-service.js';
import type { UdpFlow } from './udp-flow.js';

/** What one thread takes from another process, and how many share the work. */
export interface Share {
  readonly thread: number;
  readonly threads: number;
  /** Connections go around from this thread on. */
  readonly first: number;
  /** For each listener of an export its place among all sockets of that address. */
  readonly ordinals: readonly number[];
}

/** What a thread has now. */
export interface Taken {
  readonly connections: number;
  readonly flows: number;
  readonly lost: readonly string[];
}

/**
 * The connections and flows that come from another process, in one thread. They are made before the other process stops, as
 * far as they can be, and do nothing until the thread looks at its descriptors.
 */
export class Incoming {
  private readonly plane: DataPlane;
  /** By thread of the other process and number under which it copied them. */
  private readonly items = new Map<number, (Connection | UdpFlow | undefined)[]>();
  private readonly lost = new Set<string>();
  /** Dials that have to be begun anew. */
  private readonly redials: Connection[] = [];
  private readonly closing: Closing[] = [];
  private readonly waiting: Connection[] = [];
  private readonly places: FlowPlace[] = [];
  private rehearsed = 0;

  constructor(plane: DataPlane) {
    this.plane = plane;
  }

  /** Take this thread's share of what thread `source` of the other process has copied. */
  async adopt(source: number, from: Export, share: Share): Promise<void> {
    for (const plan of from.retired) await this.plane.adoptRetired(plan);
    const items = this.items.get(source) ?? [];
    this.items.set(source, items);
    const reader = new PackReader(from.records, from.fds);
    const had = items.length;
    for (let i = 0; i < reader.count; i++) items.push(this.adoptOne(i, reader, from, share));
    // What comes with states comes while everything stands still.
    if (from.states === undefined) this.rehearse(items.slice(had));
  }

  /** How things stand with those of thread `source` now that the other process has stopped. */
  complete(source: number, from: Export): void {
    const transfer = this.plane.engine.transfer!;
    const items = this.items.get(source) ?? [];
    const reader = new PackReader(from.states!, from.fds);
    for (let i = 0; i < items.length; i++) {
      const one = items[i];
      if (one === undefined) continue;
      if (!reader.seek(i)) {
        if (one instanceof Connection) dropConnection(one, transfer);
        else dropFlow(one, transfer);
        items[i] = undefined;
      } else if (one instanceof Connection) {
        loadConnectionState(one, transfer, reader);
        if (one.phase === 'queued') this.waiting.push(one);
        else if (one.phase === 'dialling' && one.dialling === undefined) this.redials.push(one);
      } else {
        this.places.push(loadFlowState(one, transfer, reader));
      }
    }
    this.closing.push(...from.closing);
  }

  /** Everything has come: put in order what has an order. */
  settle(): Taken {
    // Tickets go around; those that wait together lie close together.
    for (const one of this.waiting.sort((a, b) => (a.ticket - b.ticket) | 0)) one.owner.requeue(one);
    for (const { flow, activeAt, detached } of this.places.sort((a, b) => a.activeAt - b.activeAt))
      flow.owner.place(flow, activeAt, detached);
    for (const service of this.plane.all()) this.plane.forget(service);
    let connections = 0;
    let flows = 0;
    for (const items of this.items.values()) {
      for (const one of items) {
        if (one instanceof Connection) connections++;
        else if (one !== undefined) flows++;
      }
    }
    this.items.clear();
    return { connections, flows, lost: [...this.lost] };
  }

  /** This process serves now. */
  go(): void {
    for (const one of this.redials) if (one.phase === 'dialling') one.redial(one.candidate!);
    for (const { slot, perSecond, reason } of this.closing) this.plane.close(slot, perSecond, reason);
  }

  /** Take the state of each from itself, and again, until the code that is to go fast at the end is compiled. */
  private rehearse(items: readonly (Connection | UdpFlow | undefined)[]): void {
    const own = items.filter(one => one !== undefined);
    if (own.length === 0) return;
    do {
      this.rehearseOnce(own);
      this.rehearsed += own.length;
    } while (this.rehearsed < REHEARSALS);
  }

  private rehearseOnce(own: readonly (Connection | UdpFlow)[]): void {
    const transfer = this.plane.engine.transfer!;
    const states = new PackWriter([]);
    for (const one of own) {
      states.begin();
      if (one instanceof Connection) saveConnectionState(one, transfer, states);
      else saveFlowState(one, transfer, states);
    }
    const reader = new PackReader(states.take(), []);
    for (const [i, one] of own.entries()) {
      reader.seek(i);
      if (one instanceof Connection) loadConnectionState(one, transfer, reader);
      else loadFlowState(one, transfer, reader);
    }
  }

  /** undefined: it is another thread's, or cannot be had. */
  private adoptOne(
    i: number,
    reader: PackReader,
    { homes, listeners }: Export,
    { thread, threads, first, ordinals }: Share,
  ): Connection | UdpFlow | undefined {
    const { plane } = this;
    const transfer = plane.engine.transfer!;
    const home = homes[i]!;
    const ordinal = home === ANYWHERE ? first + i : (ordinals[home] ?? 0);
    if (ordinal % threads !== thread) return undefined;
    reader.seek(i);
    const service = plane.serviceAt(reader.number());
    if (service === undefined) {
      this.lost.add('connections of a service that is not known here');
      return undefined;
    }
    if (service instanceof TcpService) return loadConnection(service, transfer, reader);
    const { key } = listeners[home] ?? { key: '' };
    const listener = plane.datagramListeners(key)[Math.floor(ordinal / threads)];
    if (listener === undefined) {
      this.lost.add(`flows of ${service.plan.name}, whose socket was not handed over`);
      return undefined;
    }
    return loadFlow(service, listener, transfer, reader);
  }
}

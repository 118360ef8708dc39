import { type Pack, PackWriter } from '../pack.js';
import type { ServicePlan } from '../pool/plan.js';
import { Connection } from './connection.js';
import { saveConnection, saveConnectionState } from './connection-record.js';
import { saveFlow, saveFlowState } from './flow-record.js';
import type { Closing, DataPlane } from './plane.js';
import type { UdpFlow } from './udp-flow.js';

/** `homes` of a connection: any thread may have it. A flow's is the place of its listener in `listeners`. */
export const ANYWHERE = -1;

/** V8 has compiled what tells a state, or takes one over, when it has done so about so often: scripts/bench/hand-over.ts shows it. */
export const REHEARSALS = 5_000;

/** What one thread gives away. */
export interface Export {
  /** Descriptors, by number; records mean them by their place here. */
  readonly fds: Int32Array<ArrayBuffer>;
  /** A record for each connection or flow that was not copied before. */
  readonly records: Pack;
  readonly homes: Int32Array<ArrayBuffer>;
  readonly listeners: readonly { readonly key: string; readonly index: number }[];
  /** Services that are no longer in the plan and still have connections. */
  readonly retired: readonly ServicePlan[];
  /** At the end: how things stand with each one that was ever copied, those in `records` included. */
  readonly states?: Pack;
  readonly closing: readonly Closing[];
}

/** The connections and flows of one thread on their way to another process. */
export class Outgoing {
  private readonly plane: DataPlane;
  /** By the number under which they were copied; undefined once they are over. */
  private items: (Connection | UdpFlow | undefined)[] = [];

  constructor(plane: DataPlane) {
    this.plane = plane;
  }

  /**
   * What has begun since the last call: established connections, and flows, `most` of them at a time. Descriptors stay open
   * until the next call that is the `first` of a round.
   */
  copy(first: boolean, most: number): Export {
    if (first) this.plane.engine.transfer!.hold();
    return this.write(false, most);
  }

  /** What `finish` would say of the first `most` of those that were copied: what is to go fast at the end is compiled by then. */
  rehearse(most: number): Export {
    const fds: number[] = [];
    const states = this.states(Math.min(most, this.items.length), fds);
    const none = { listeners: [], retired: [], closing: [], homes: new Int32Array(0) };
    return { ...none, records: new PackWriter(fds).take(), states, fds: Int32Array.from(fds) };
  }

  /** Everything. Nothing may move from here on, until `release`. */
  finish(): Export {
    this.plane.settle();
    this.plane.engine.transfer!.hold();
    return this.write(true, Number.POSITIVE_INFINITY);
  }

  /** It was copied, and that is no longer true of it. */
  forget(one: Connection | UdpFlow): void {
    this.items[one.copied] = undefined;
    one.copied = -1;
  }

  /** What was copied is this process's alone. */
  release(): void {
    for (const one of this.items) if (one !== undefined) one.copied = -1;
    this.items = [];
    this.plane.engine.transfer!.release();
  }

  private write(all: boolean, most: number): Export {
    const { plane, items } = this;
    const transfer = plane.engine.transfer!;
    const fds: number[] = [];
    const records = new PackWriter(fds);
    const homes: number[] = [];
    const listeners: { key: string; index: number }[] = [];
    const home = ({ listener }: UdpFlow): number => {
      const place = plane.placeOf(listener);
      if (place === undefined) return -2;
      const known = listeners.findIndex(({ key, index }) => key === place.key && index === place.index);
      return known === -1 ? listeners.push(place) - 1 : known;
    };
    for (const service of plane.all()) {
      const { slot } = service.plan;
      for (const one of service.all()) {
        if (homes.length >= most) break;
        if (one.copied !== -1) continue;
        const isConnection = one instanceof Connection;
        // What may still change its sockets is copied last.
        if (!all && isConnection && !(one.phase === 'relaying' && transfer.isWhole(one.relay!))) continue;
        one.copied = items.push(one) - 1;
        records.begin();
        records.number(slot);
        homes.push(isConnection ? ANYWHERE : home(one));
        if (isConnection) saveConnection(one, transfer, records);
        else saveFlow(one, transfer, records);
      }
    }
    return {
      records: records.take(),
      homes: Int32Array.from(homes),
      listeners,
      retired: plane.leaving.map(plan => ({ ...plan, clients: undefined })),
      states: all ? this.states(items.length, fds) : undefined,
      closing: all ? plane.closing : [],
      fds: Int32Array.from(fds),
    };
  }

  /** How things stand with the first `count` that were copied. */
  private states(count: number, fds: number[]): Pack {
    const { items } = this;
    const transfer = this.plane.engine.transfer!;
    const states = new PackWriter(fds);
    for (let i = 0; i < count; i++) {
      const one = items[i];
      if (one === undefined) {
        states.skip();
        continue;
      }
      states.begin();
      if (one instanceof Connection) saveConnectionState(one, transfer, states);
      else saveFlowState(one, transfer, states);
    }
    return states.take();
  }
}

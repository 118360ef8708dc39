import type { Peer } from '../address.js';
import { Selection } from './selection.js';

/** The most threads there are: an id says which thread has the connection. */
const THREADS = 256;

/** Which connections or flows to list. Times are monotonic ms. */
export interface ConnectionQuery {
  /** Slot of the service. */
  readonly service: number;
  /** Slot of a backend; absent: whichever, or none yet. */
  readonly backend?: number;
  /** Only those that were there at that time already. */
  readonly startedBefore?: number;
  /** The first of them: in the order of their start, or of the last byte that moved, the older first among equals. */
  readonly order: 'oldest' | 'quietest';
  readonly limit: number;
}

/** A connection or flow as it is now; plain data. */
export interface ConnectionView {
  /** Unique in the process. */
  readonly id: number;
  readonly client: string;
  /** Id of its backend; empty while it has none. */
  readonly backend: string;
  readonly startedAt: number;
  /** When a byte last moved, to a second. */
  readonly activeAt: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export interface ConnectionList {
  /** All that fit the query, whatever the limit. */
  readonly total: number;
  readonly connections: readonly ConnectionView[];
}

/** What a connection or flow has to know for it. */
export interface Listed {
  /** Unique in its thread. */
  readonly serial: number;
  readonly client: Peer;
  readonly backendSlot: number;
  readonly backend: string;
  readonly startedAt: number;
  readonly activeAt: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

type Aged = Pick<ConnectionView, 'startedAt' | 'activeAt'>;

const ORDERS = {
  oldest: (a: Aged, b: Aged) => a.startedAt - b.startedAt,
  quietest: (a: Aged, b: Aged) => a.activeAt - b.activeAt || a.startedAt - b.startedAt,
};

/** List those of one thread. */
export function listConnections(
  all: Iterable<Listed>,
  query: ConnectionQuery,
  thread: number,
): ConnectionList {
  const { backend, startedBefore = Number.POSITIVE_INFINITY, order, limit } = query;
  const first = new Selection<Listed>(limit, ORDERS[order]);
  let total = 0;
  for (const one of all) {
    if (backend !== undefined && one.backendSlot !== backend) continue;
    if (one.startedAt > startedBefore) continue;
    total++;
    first.offer(one);
  }
  return { total, connections: first.sorted().map(one => view(one, thread)) };
}

/** The lists of several threads as one. */
export function mergeLists(
  lists: readonly ConnectionList[],
  { order, limit }: ConnectionQuery,
): ConnectionList {
  return {
    total: lists.reduce((sum, { total }) => sum + total, 0),
    connections: lists
      .flatMap(({ connections }) => connections)
      .sort(ORDERS[order])
      .slice(0, limit),
  };
}

/** The thread that has a connection. */
export function threadOf(id: number): number {
  return id % THREADS;
}

/** The connection's number in its thread. */
export function serialOf(id: number): number {
  return Math.floor(id / THREADS);
}

function view(one: Listed, thread: number): ConnectionView {
  const { serial, client, backend, startedAt, activeAt, bytesIn, bytesOut } = one;
  const id = serial * THREADS + thread;
  return { id, client: client.toString(), backend, startedAt, activeAt, bytesIn, bytesOut };
}

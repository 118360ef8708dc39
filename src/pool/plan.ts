import type { Bind, Endpoint } from '../address.js';

/**
 * The plan: what the data plane has to serve, as plain data that can be posted to a thread. All times are milliseconds.
 * States and weights are not in it: they live in the shared table and change without a new plan.
 */
export interface Plan {
  readonly services: readonly ServicePlan[];
  /** Process-wide connections and flows; 0 = no limit. */
  readonly maxConnections: number;
}

export interface ServicePlan {
  readonly slot: number;
  readonly name: string;
  readonly protocol: 'tcp' | 'udp';
  readonly listen: readonly ListenPlan[];
  /** `kind` is a built-in strategy or the absolute path of a user's module. */
  readonly strategy: { readonly kind: string; readonly options: Readonly<Record<string, unknown>> };
  readonly backends: readonly BackendPlan[];
  readonly limits: LimitPlan;
  /** Where threads count the clients together; absent with one thread, and where clients were never limited. */
  readonly clients?: SharedArrayBuffer;
  readonly timeouts: TimeoutPlan;
  /** Distinct backends tried before giving up. */
  readonly attempts: number;
  readonly queueSize: number;
  /** Consecutive connect failures that mark a backend down; 0 = never. */
  readonly passiveFailures: number;
  readonly proxyProtocol: ProxyProtocolPlan;
  readonly socket: SocketPlan;
  readonly udp: { readonly maxFlows: number; readonly responses: number; readonly requests: number };
}

export interface ListenPlan {
  readonly bind: Bind;
  /** A descriptor that listens there already, opened by whoever started this process; -1 = it is to be opened. */
  readonly fd: number;
}

/** A socket that listened before this process was started. */
export interface PassedSocket {
  readonly fd: number;
  /** As whoever opened it calls it. */
  readonly name: string;
  readonly protocol: 'tcp' | 'udp';
  readonly address: Endpoint;
}

export interface BackendPlan {
  readonly slot: number;
  readonly id: string;
  readonly key: string;
  readonly endpoint: Endpoint;
  /** 0 = no limit. */
  readonly maxConnections: number;
}

export interface LimitPlan {
  readonly maxConnections: number;
  readonly maxConnectionsPerClient: number;
  /** New connections a second; 0 = no limit. */
  readonly connectionRate: number;
  readonly connectionRatePerClient: number;
  readonly allow: readonly string[];
  readonly deny: readonly string[];
}

export interface TimeoutPlan {
  readonly connect: number;
  readonly idle: number;
  readonly halfClosed: number;
  readonly queue: number;
  /** For a PROXY header, where one is expected. */
  readonly header: number;
}

export interface ProxyProtocolPlan {
  readonly accept: 'off' | 'v1' | 'v2' | 'any';
  readonly acceptFrom: readonly string[];
  readonly send: 'off' | 'v1' | 'v2';
}

/** Options of listening sockets and of connections, both ends. */
export interface SocketPlan {
  readonly nodelay: boolean;
  /** First keepalive probe after this many ms of silence; 0 = off. */
  readonly keepalive: number;
  /** Sent bytes may go unacknowledged for so many ms; 0 = the system decides. */
  readonly userTimeout: number;
  readonly backlog: number;
  /** Clients stay in the kernel until they have sent something, for so many ms at most; 0 = off. */
  readonly deferAccept: number;
  /** Clients that may send data with their SYN at a time; 0 = off. */
  readonly fastopen: number;
  /** Local address for connections to backends; empty = the system's choice. */
  readonly source: string;
}

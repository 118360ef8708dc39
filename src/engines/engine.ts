import type { Bind, Endpoint, Peer } from '../address.js';
import type { PackReader, PackWriter } from '../pack.js';
import type { SocketPlan } from '../pool/plan.js';
import type { TimerWheel } from '../timer-wheel.js';

/** How old a connection is when an engine asks for keepalive: most are over before, and need no system calls for it. */
export const KEEPALIVE_AFTER_MS = 1_000;

/**
 * The seam between the life of a connection (flow/, written once) and sockets (one engine each). An engine knows
 * sockets and nothing else: no services, no strategies, no limits. Observers are objects, not closures, so that a
 * connection costs no allocation beyond itself. All times are milliseconds of a monotonic clock.
 */
export interface Engine {
  readonly name: 'net' | 'epoll';
  readonly timers: TimerWheel;
  /** Absent where sockets cannot be handed over to another process. */
  readonly transfer?: Transfer;
  /** Monotonic milliseconds. */
  now(): number;
  /**
   * Open a stream listener. Rejects with Lb4Error LB4_LISTEN naming the address and the reason. `taken`: this process has
   * the address already.
   */
  listen(bind: Bind, socket: SocketPlan, observer: ListenObserver, taken?: Taken): Promise<Listener>;
  /**
   * Connect to a backend. Exactly one of the observer's two methods is called, never before `dial` returned, unless
   * the dial was cancelled.
   */
  dial(endpoint: Endpoint, socket: SocketPlan, observer: DialObserver): Dial;
  /**
   * Pass bytes both ways until both ends are done: half-closes one by one, resets after what was buffered was
   * delivered, back-pressure. Both connections belong to the relay from here on.
   */
  relay(client: StreamConn, upstream: StreamConn, observer: RelayObserver, track: boolean): Relay;
  /** Open a datagram listener. Rejects with Lb4Error LB4_LISTEN. */
  listenUdp(bind: Bind, observer: DatagramObserver, taken?: Taken): Promise<DatagramListener>;
  /** A datagram socket connected to a backend. Errors (port unreachable, …) come through the observer. */
  dialUdp(endpoint: Endpoint, socket: SocketPlan, observer: UpstreamObserver): DatagramUpstream;
  /** Stop timers and release what the engine itself holds. Listeners and connections are closed by their owners. */
  stop(): void;
}

/** An address that this process has already: another thread, or whoever listened before. */
export interface Taken {
  /** A descriptor that is bound to it; absent where the address is to be bound once more. */
  readonly fd?: number;
  /** The path of a unix socket is this listener's to remove. */
  readonly owned?: boolean;
}

export interface Listener {
  /** Its descriptors. */
  readonly fds: readonly number[];
  /** The path of its unix socket goes when it closes. */
  readonly owned: boolean;
  /** Where it listens, with the port that the system chose for port 0. */
  readonly address: Endpoint;
  /** Leave new connections waiting; those that are open go on. */
  pause(): void;
  /** Let new connections in again, those that have waited at once. */
  resume(): void;
  /** `handedOver`: another process goes on with the socket, and the path of a unix socket stays. */
  close(handedOver?: boolean): Promise<void>;
  /** Change who is told about new connections: a reload gave the address to another service. */
  observer: ListenObserver;
}

export interface ListenObserver {
  /** Before each accept: take a place. False = leave the client waiting; the listener is paused then. */
  enter(): boolean;
  /** The place is not needed: nobody was there. */
  leave(): void;
  /** A client for whom a place was taken. */
  onAccept(client: StreamConn): void;
  /** Accepting failed or clients had to be turned away for lack of descriptors; may come often. */
  onAcceptTrouble(reason: string): void;
}

/** A stream socket before it is relayed. Until then an engine reads at most 64 KiB into `head`, and all that came before a FIN. */
export interface StreamConn {
  /** The other end's address. */
  readonly peer: Peer;
  /** Bytes that came and were not consumed; the relay sends them first. */
  readonly head: Uint8Array;
  /** This end's address (a system call: ask only when needed). */
  local(): Peer;
  /** Who is told about bytes, FIN and reset before the relay starts. */
  observe(observer: ConnObserver | undefined): void;
  /** From here on read what comes into `head` and tell the observer. An engine may do so without being asked. */
  readHead(): void;
  /** Drop the first `bytes` of `head`. */
  consume(bytes: number): void;
  /** Send ahead of everything that is relayed. */
  write(bytes: Uint8Array): void;
  /** FIN after what was written. */
  close(): void;
  /** RST now. */
  reset(): void;
}

export interface ConnObserver {
  /** `head` has grown. */
  onHead(): void;
  /** The other end sent FIN. */
  onFin(): void;
  /** The other end sent RST, or the connection broke. */
  onBroken(): void;
}

export interface Dial {
  /** Stop it; nothing is reported any more. */
  cancel(): void;
}

/** `local`: this machine lacks descriptors or ports, the backend is not to blame. */
export type DialFailure = { readonly reason: string; readonly local: boolean };

export interface DialObserver {
  onDialled(upstream: StreamConn): void;
  onDialFailed(failure: DialFailure): void;
}

/** Who ended a relayed connection first, and how. */
export type RelayEnd = 'client_closed' | 'backend_closed' | 'client_reset' | 'backend_reset';

export interface Relay {
  /** Begin. Everything that the observer hears comes after this was called. */
  start(): void;
  /** Bytes from the client. */
  readonly bytesIn: number;
  /** Bytes to the client. */
  readonly bytesOut: number;
  /** When a byte last moved; kept up only when asked for with `track`. */
  readonly activeAt: number;
  /** End both sides now: FIN behind what is written, or RST. `onRelayEnd` follows with the reason that is passed here or before. */
  abort(reset: boolean): void;
}

export interface RelayObserver {
  /** The backend's first byte, `ms` after the client's first byte or, where the backend speaks first, the start. */
  onFirstByte(ms: number): void;
  /** One direction has ended, the other goes on. */
  onHalfClosed(): void;
  /**
   * Both sides are closed. `end` is who ended it first; undefined when `abort` did. `cut`: who broke it off after that, so
   * that what was still to come did not.
   */
  onRelayEnd(end: RelayEnd | undefined, cut?: RelayEnd): void;
}

export interface DatagramListener {
  readonly fds: readonly number[];
  /** 0 to 32767: tells the flows of two listeners apart. */
  readonly id: number;
  readonly address: Endpoint;
  observer: DatagramObserver;
  /** Answer `to` from the address that it wrote to. */
  send(data: Uint8Array, offset: number, length: number, to: DatagramPeer): void;
  close(): Promise<void>;
}

/** A client of a datagram listener: its address, and the local address that it wrote to (the engine's own number). */
export interface DatagramPeer {
  readonly peer: Peer;
  local: number;
}

export interface DatagramObserver {
  /** `data` and `from` are only valid during the call. */
  onDatagram(
    listener: DatagramListener,
    data: Uint8Array,
    offset: number,
    length: number,
    from: DatagramPeer,
  ): void;
}

export interface DatagramUpstream {
  send(data: Uint8Array, offset: number, length: number): void;
  close(): void;
}

/** `dead`: the socket could not be opened and never will be. */
export type UpstreamFailure = DialFailure & { readonly dead: boolean };

export interface UpstreamObserver {
  onReply(data: Uint8Array, offset: number, length: number): void;
  /** May be called before `dialUdp` has returned. */
  onUpstreamError(failure: UpstreamFailure): void;
}

/**
 * Sockets on their way to another process. What cannot change while a socket is used is written by `save…` and read by
 * `load…`, at any time; the rest by `…State`, when nothing moves any more. The two processes share a socket for a while: until
 * `release`, or for as long as it lives in the one that has loaded it, it is ended in a way that its peer notices at once.
 */
export interface Transfer {
  /** What is saved from here on is shared. Descriptors that have been saved stay open until the next call, or `release`. */
  hold(): void;
  /** Nobody else has them any more, or is to have them. */
  release(): void;
  saveConn(conn: StreamConn, into: PackWriter): void;
  saveConnState(conn: StreamConn, into: PackWriter): void;
  loadConn(from: PackReader, socket: SocketPlan): StreamConn;
  loadConnState(conn: StreamConn, from: PackReader): void;
  saveDial(dial: Dial | undefined, into: PackWriter): void;
  /** undefined: it has to be begun anew. */
  loadDial(
    from: PackReader,
    endpoint: Endpoint,
    socket: SocketPlan,
    observer: DialObserver,
  ): Dial | undefined;
  /** True when both ends are there and neither is about to go. */
  isWhole(relay: Relay): boolean;
  /** The client's connection, then the upstream's: to be read by `loadConn` twice, and made a relay by the engine. */
  saveRelay(relay: Relay, into: PackWriter): void;
  saveRelayState(relay: Relay, into: PackWriter): void;
  loadRelayState(relay: Relay, from: PackReader): void;
  saveUpstream(upstream: DatagramUpstream, into: PackWriter): void;
  /** undefined: there is no socket. */
  loadUpstream(
    from: PackReader,
    endpoint: Endpoint,
    socket: SocketPlan,
    observer: UpstreamObserver,
  ): DatagramUpstream | undefined;
  /** The local address that a client wrote to, which is a number in each process. */
  saveLocal(listener: DatagramListener, local: number, into: PackWriter): void;
  loadLocal(listener: DatagramListener, from: PackReader): number;
  /** Close what was loaded, without a word to the peer: it is over in the other process. */
  drop(one: StreamConn | Relay | Dial | DatagramUpstream): void;
}

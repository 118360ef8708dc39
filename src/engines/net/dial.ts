import { Socket, type SocketConstructorOpts, type TcpSocketConnectOpts } from 'node:net';
import { type Endpoint, isLoopback, Peer } from '../../address.js';
import type { SocketPlan } from '../../pool/plan.js';
import { describeSystemError, isLocalTrouble } from '../../system-error.js';
import type { Dial, DialObserver } from '../engine.js';
import { NetConn, WATER_MARK } from './conn.js';
import { upstreamRead } from './upstream-read.js';

/** Below this no system takes its ephemeral ports from. */
const LOWEST_EPHEMERAL = 1024;

const kDial = Symbol('lb4.dial');
type DialSocket = Socket & { [kDial]: NetDial };

/** One attempt to connect. It never looks up a name: endpoints are literal. */
export class NetDial implements Dial {
  private readonly socket: DialSocket;
  private readonly observer: DialObserver;
  private readonly endpoint: Endpoint;

  constructor(endpoint: Endpoint, options: SocketPlan, observer: DialObserver) {
    this.endpoint = endpoint;
    this.observer = observer;
    const socket = new Socket(socketOptions(options)) as DialSocket;
    this.socket = socket;
    socket[kDial] = this;
    socket.on('connect', onConnect);
    socket.on('error', onDialError);
    socket.connect(connectOptions(endpoint, options));
    // Bytes that come with the connection wait in the kernel until the relay starts.
    socket.pause();
  }

  cancel(): void {
    this.socket.off('connect', onConnect);
    this.socket.destroy();
  }

  connected(): void {
    const { socket, endpoint } = this;
    // A dial to a free loopback port can meet itself (simultaneous open); that is nobody listening.
    if (
      endpoint.kind === 'ip' &&
      endpoint.port >= LOWEST_EPHEMERAL &&
      socket.localPort === endpoint.port &&
      socket.localAddress === socket.remoteAddress &&
      isLoopback(endpoint.host)
    ) {
      socket.resetAndDestroy();
      this.observer.onDialFailed({ reason: 'connection refused', local: false });
      return;
    }
    socket.off('connect', onConnect);
    socket.off('error', onDialError);
    const peer = new Peer();
    if (endpoint.kind === 'ip') peer.setText(endpoint.host, endpoint.port);
    this.observer.onDialled(new NetConn(socket, peer, false));
  }

  failed(error: NodeJS.ErrnoException): void {
    this.observer.onDialFailed({ reason: describeSystemError(error), local: isLocalTrouble(error) });
  }
}

function onConnect(this: Socket): void {
  (this as DialSocket)[kDial].connected();
}

function onDialError(this: Socket, error: Error): void {
  if (this.listenerCount('connect') > 0) (this as DialSocket)[kDial].failed(error);
}

const prepared = new WeakMap<SocketPlan, SocketConstructorOpts>();

/**
 * One object for all dials of a plan, and with the keys that Node's constructor would otherwise add to its copy: growing
 * the copy costs 4 µs a socket, more than all else that the constructor does.
 */
function socketOptions(plan: SocketPlan): SocketConstructorOpts {
  let options = prepared.get(plan);
  if (options === undefined) {
    options = {
      allowHalfOpen: true,
      readableHighWaterMark: WATER_MARK,
      writableHighWaterMark: WATER_MARK,
      noDelay: plan.nodelay,
      keepAlive: plan.keepalive > 0,
      keepAliveInitialDelay: plan.keepalive,
      onread: upstreamRead,
      emitClose: false,
      autoDestroy: true,
      decodeStrings: false,
    } as SocketConstructorOpts;
    prepared.set(plan, options);
  }
  return options;
}

function connectOptions(endpoint: Endpoint, options: SocketPlan): TcpSocketConnectOpts | { path: string } {
  if (endpoint.kind === 'unix') return { path: endpoint.path };
  return {
    host: endpoint.host,
    port: endpoint.port,
    autoSelectFamily: false,
    localAddress: options.source === '' ? undefined : options.source,
  } as TcpSocketConnectOpts;
}

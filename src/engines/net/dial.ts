import { Socket, type SocketConstructorOpts, type TcpSocketConnectOpts } from 'node:net';
import { type Endpoint, Peer } from '../../address.js';
import type { SocketPlan } from '../../pool/plan.js';
import { mayMeetItself } from '../../self-connect.js';
import { describeSystemError, isLocalTrouble } from '../../system-error.js';
import type { TimerWheel } from '../../timer-wheel.js';
import type { Dial, DialObserver } from '../engine.js';
import { NetConn, WATER_MARK } from './conn.js';
import { upstreamRead } from './upstream-read.js';

const kDial = Symbol('lb4.dial');
type DialSocket = Socket & { [kDial]: NetDial };

/** One attempt to connect. It never looks up a name: endpoints are literal. */
export class NetDial implements Dial {
  private readonly socket: DialSocket;
  private readonly observer: DialObserver;
  private readonly target: Target;
  private readonly keepalive: number;
  private readonly timers: TimerWheel;

  constructor(endpoint: Endpoint, options: SocketPlan, observer: DialObserver, timers: TimerWheel) {
    this.target = targetOf(endpoint, options.source);
    this.keepalive = options.keepalive;
    this.timers = timers;
    this.observer = observer;
    const socket = new Socket(socketOptions(options)) as DialSocket;
    this.socket = socket;
    socket[kDial] = this;
    socket.on('connect', onConnect);
    socket.on('error', onDialError);
    socket.connect(this.target.options);
    // Bytes that come with the connection wait in the kernel until the relay starts.
    socket.pause();
  }

  cancel(): void {
    this.socket.off('connect', onConnect);
    this.socket.destroy();
  }

  connected(): void {
    const { socket, target } = this;
    if (
      target.mayMeetItself &&
      socket.localPort === target.peer.port &&
      socket.localAddress === socket.remoteAddress
    ) {
      socket.resetAndDestroy();
      this.observer.onDialFailed({ reason: 'connection refused', local: false });
      return;
    }
    socket.off('connect', onConnect);
    socket.off('error', onDialError);
    this.observer.onDialled(new NetConn(socket, target.peer, false, this.timers, this.keepalive));
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
      onread: upstreamRead,
      emitClose: false,
      autoDestroy: true,
      decodeStrings: false,
    } as SocketConstructorOpts;
    prepared.set(plan, options);
  }
  return options;
}

/** Where to dial to. */
interface Target {
  readonly source: string;
  readonly options: TcpSocketConnectOpts | { readonly path: string };
  readonly peer: Peer;
  readonly mayMeetItself: boolean;
}

/** Made once; the endpoints live as long as the plan that they came with. */
const targets = new WeakMap<Endpoint, Target>();

function targetOf(endpoint: Endpoint, source: string): Target {
  let target = targets.get(endpoint);
  if (target?.source !== source) {
    const peer = new Peer();
    if (endpoint.kind === 'ip') peer.setText(endpoint.host, endpoint.port);
    const options = connectOptions(endpoint, source);
    target = { source, options, peer, mayMeetItself: mayMeetItself(endpoint) };
    targets.set(endpoint, target);
  }
  return target;
}

function connectOptions(endpoint: Endpoint, source: string): Target['options'] {
  if (endpoint.kind === 'unix') return { path: endpoint.path };
  return {
    host: endpoint.host,
    port: endpoint.port,
    autoSelectFamily: false,
    localAddress: source === '' ? undefined : source,
  } as TcpSocketConnectOpts;
}

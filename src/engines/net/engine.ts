import type { Bind, Endpoint } from '../../address.js';
import { monotonic } from '../../monotonic.js';
import type { SocketPlan } from '../../pool/plan.js';
import { type TimerNode, TimerWheel } from '../../timer-wheel.js';
import type {
  DatagramListener,
  DatagramObserver,
  DatagramUpstream,
  Dial,
  DialObserver,
  Engine,
  Listener,
  ListenObserver,
  Relay,
  RelayObserver,
  StreamConn,
  Taken,
  UpstreamObserver,
} from '../engine.js';
import type { NetConn } from './conn.js';
import { NetDial } from './dial.js';
import { MAX_PARKED, NetListener } from './listener.js';
import { NetRelay } from './relay.js';
import { ResetQueue } from './reset-queue.js';
import { Standby } from './standby.js';
import { NetDatagramListener } from './udp-listener.js';
import { NetDatagramUpstream } from './udp-upstream.js';

const TICK_MS = 10;

/** A wheel that Node's clock turns, and only while something waits on it. */
class DrivenWheel extends TimerWheel {
  private interval: NodeJS.Timeout | undefined;

  override schedule(node: TimerNode, delayMs: number, now: number): void {
    super.schedule(node, delayMs, now);
    this.interval ??= setInterval(() => this.turn(), TICK_MS);
  }

  stop(): void {
    clearInterval(this.interval);
    this.interval = undefined;
  }

  private turn(): void {
    this.advance(monotonic());
    if (this.size === 0) this.stop();
  }
}

/** The portable data plane: node:net and node:dgram sockets in one thread. */
export class NetEngine implements Engine {
  readonly name = 'net';
  readonly timers = new DrivenWheel(monotonic(), TICK_MS);
  private readonly resets: ResetQueue;
  readonly maxParked: number;
  readonly standby: Standby;

  /**
   * `maxParked`: connections that may wait on a paused listener, each holding a descriptor. `standby`: until `go` sockets that
   * were inherited are left alone.
   */
  constructor({ maxParked = MAX_PARKED, standby = false }: { maxParked?: number; standby?: boolean } = {}) {
    this.maxParked = maxParked;
    this.standby = new Standby(standby);
    this.resets = new ResetQueue(this.now);
  }

  readonly now = (): number => monotonic();

  listen(bind: Bind, socket: SocketPlan, observer: ListenObserver, taken?: Taken): Promise<Listener> {
    return NetListener.open(bind, socket, observer, this, taken);
  }

  dial(endpoint: Endpoint, socket: SocketPlan, observer: DialObserver): Dial {
    return new NetDial(endpoint, socket, observer, this.timers);
  }

  relay(client: StreamConn, upstream: StreamConn, observer: RelayObserver, track: boolean): Relay {
    return new NetRelay(client as NetConn, upstream as NetConn, observer, track, this.now, this.resets);
  }

  listenUdp(bind: Bind, observer: DatagramObserver, taken?: Taken): Promise<DatagramListener> {
    return NetDatagramListener.open(bind, observer, this.standby, taken);
  }

  dialUdp(endpoint: Endpoint, socket: SocketPlan, observer: UpstreamObserver): DatagramUpstream {
    return new NetDatagramUpstream(endpoint, socket, observer);
  }

  /** The end of standby. */
  go(): Promise<void> {
    return this.standby.end();
  }

  stop(): void {
    this.timers.stop();
    this.resets.stop();
  }
}

import type { Bind, Endpoint } from '../../address.js';
import type { SocketPlan } from '../../pool/plan.js';
import type { TimerWheel } from '../../timer-wheel.js';
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
import type { BindOptions } from './bind.js';
import type { EpollConn } from './conn.js';
import { EpollDial } from './dial.js';
import type { FdLedger } from './ledger.js';
import { EpollListener } from './listener.js';
import { Loop } from './loop.js';
import { PipePool } from './pipes.js';
import { EpollRelay } from './relay.js';
import { EpollTransfer } from './transfer.js';
import { EpollDatagramListener } from './udp-listener.js';
import { UdpSide } from './udp-side.js';
import { EpollDatagramUpstream } from './udp-upstream.js';

export interface EpollOptions {
  /** Several threads listen on the same addresses. */
  readonly shared: boolean;
  readonly ledger: FdLedger;
  /** An eventfd that others write to when this thread is to look up from its descriptors. */
  readonly wakeFd: number;
}

/** The fast data plane: system calls through FFI, one loop a thread. Linux only. */
export class EpollEngine implements Engine {
  readonly name = 'epoll';
  readonly loop: Loop;
  readonly timers: TimerWheel;
  readonly transfer: EpollTransfer;
  private readonly pipes: PipePool;
  private readonly options: EpollOptions;
  private udp: UdpSide | undefined = undefined;

  constructor(options: EpollOptions) {
    this.options = options;
    this.loop = new Loop(options.ledger, options.wakeFd);
    this.timers = this.loop.timers;
    this.pipes = new PipePool(this.loop);
    this.transfer = new EpollTransfer(this.loop, () => this.udpSide());
  }

  now(): number {
    return this.loop.time;
  }

  async listen(bind: Bind, socket: SocketPlan, observer: ListenObserver, taken?: Taken): Promise<Listener> {
    return EpollListener.open(this.loop, bind, socket, observer, this.binding(taken));
  }

  dial(endpoint: Endpoint, socket: SocketPlan, observer: DialObserver): Dial {
    return new EpollDial(this.loop, endpoint, socket, observer);
  }

  relay(client: StreamConn, upstream: StreamConn, observer: RelayObserver, track: boolean): Relay {
    return new EpollRelay(this.loop, this.pipes, client as EpollConn, upstream as EpollConn, observer, track);
  }

  async listenUdp(bind: Bind, observer: DatagramObserver, taken?: Taken): Promise<DatagramListener> {
    return EpollDatagramListener.open(this.udpSide(), bind, observer, this.binding(taken));
  }

  dialUdp(endpoint: Endpoint, socket: SocketPlan, observer: UpstreamObserver): DatagramUpstream {
    return new EpollDatagramUpstream(this.udpSide(), endpoint, socket, observer);
  }

  stop(): void {
    this.pipes.stop();
    this.loop.stop();
  }

  private binding(taken: Taken | undefined): BindOptions {
    const owned = taken?.fd === undefined || taken.owned === true;
    return { shared: this.options.shared, exclusive: taken === undefined, inherited: taken?.fd, owned };
  }

  /** A thread without UDP services maps no ring. */
  private udpSide(): UdpSide {
    this.udp ??= new UdpSide(this.loop);
    return this.udp;
  }
}

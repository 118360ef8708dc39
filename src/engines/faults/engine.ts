import type { Bind, Endpoint } from '../../address.js';
import type { SocketPlan } from '../../pool/plan.js';
import { TimerEntry, type TimerWheel } from '../../timer-wheel.js';
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
import { ActiveFault, checkFault, type Fault, type Injection } from './fault.js';
import { Resetter } from './resetter.js';

/**
 * Another engine with backends that fail on demand, for tests of programs that use lb4. It stands in front of `dial` only
 * and knows a backend by its endpoint object, which lives as long as the backend does.
 */
export class FaultyEngine implements Engine {
  readonly name: Engine['name'];
  readonly timers: TimerWheel;
  private readonly inner: Engine;
  private readonly faults = new Map<Endpoint, ActiveFault>();

  constructor(inner: Engine) {
    this.inner = inner;
    this.name = inner.name;
    this.timers = inner.timers;
  }

  /** From now on, instead of what was injected for this backend before. Rejects with Lb4Error LB4_USAGE. */
  async inject(backend: Endpoint, fault: Fault): Promise<Injection> {
    checkFault(fault);
    const resetter = fault.kind === 'reset' ? await Resetter.open(backend, fault.afterBytes ?? 0) : undefined;
    this.faults.get(backend)?.clear();
    const active = new ActiveFault(fault, resetter?.endpoint, () => {
      if (this.faults.get(backend) === active) this.faults.delete(backend);
      resetter?.close();
    });
    this.faults.set(backend, active);
    return active;
  }

  dial(endpoint: Endpoint, socket: SocketPlan, observer: DialObserver): Dial {
    const active = this.faults.get(endpoint);
    if (active === undefined || !active.take()) return this.inner.dial(endpoint, socket, observer);
    return active.endpoint === undefined
      ? new FaultyDial(this.inner, endpoint, socket, observer, active.fault)
      : this.inner.dial(active.endpoint, socket, observer);
  }

  stop(): void {
    for (const active of [...this.faults.values()]) active.clear();
    this.inner.stop();
  }

  now(): number {
    return this.inner.now();
  }

  listen(bind: Bind, socket: SocketPlan, observer: ListenObserver, taken?: Taken): Promise<Listener> {
    return this.inner.listen(bind, socket, observer, taken);
  }

  relay(client: StreamConn, upstream: StreamConn, observer: RelayObserver, track: boolean): Relay {
    return this.inner.relay(client, upstream, observer, track);
  }

  listenUdp(bind: Bind, observer: DatagramObserver, taken?: Taken): Promise<DatagramListener> {
    return this.inner.listenUdp(bind, observer, taken);
  }

  dialUdp(endpoint: Endpoint, socket: SocketPlan, observer: UpstreamObserver): DatagramUpstream {
    return this.inner.dialUdp(endpoint, socket, observer);
  }
}

/** A dial that is refused, comes late or never comes to an end. */
class FaultyDial extends TimerEntry implements Dial {
  private readonly inner: Engine;
  private readonly endpoint: Endpoint;
  private readonly socket: SocketPlan;
  private readonly observer: DialObserver;
  private readonly refuses: boolean;
  private real: Dial | undefined = undefined;

  constructor(inner: Engine, endpoint: Endpoint, socket: SocketPlan, observer: DialObserver, fault: Fault) {
    super();
    this.inner = inner;
    this.endpoint = endpoint;
    this.socket = socket;
    this.observer = observer;
    this.refuses = fault.kind === 'refuse';
    // A black hole never answers: `timeouts.connect` ends it.
    if (fault.kind === 'black-hole') return;
    inner.timers.schedule(this, fault.kind === 'delay' ? fault.ms : 0, inner.now());
  }

  onTimer(): void {
    if (this.refuses) this.observer.onDialFailed({ reason: 'connection refused', local: false });
    else this.real = this.inner.dial(this.endpoint, this.socket, this.observer);
  }

  cancel(): void {
    this.inner.timers.cancel(this);
    this.real?.cancel();
  }
}

import { formatAddress } from '../address.js';
import type {
  DatagramListener,
  DatagramObserver,
  Engine,
  Listener,
  ListenObserver,
} from '../engines/engine.js';
import type { Plan, ServicePlan } from '../pool/plan.js';

/** A listener of either kind, under the key of its address. */
export type Open =
  | { readonly key: string; readonly protocol: 'tcp'; readonly listener: Listener }
  | { readonly key: string; readonly protocol: 'udp'; readonly listener: DatagramListener };

/** Who serves a service's clients, by its slot; the plan says which of the two it is. */
export interface Observers {
  stream(slot: number): ListenObserver;
  datagram(slot: number): DatagramObserver;
}

/** An address that is bound already: by another thread, or before this one took over. */
export interface Inherited {
  readonly key: string;
  /** The port that it has; 0 for a unix socket. */
  readonly port: number;
  /** A descriptor to listen with; absent where the address is to be bound once more. */
  readonly fd?: number;
  /** The path of a unix socket is to be removed by whoever listens with this descriptor. */
  readonly owned?: boolean;
}

/** Where a service listens. */
export interface Listening {
  readonly service: string;
  readonly address: string;
}

/**
 * The listeners of one thread. They belong to addresses, not to services: an address that stays is never closed, whoever
 * serves it after a reload.
 */
export class ListenerSet {
  private readonly engine: Engine;
  private open = new Map<string, Open>();
  private paused = false;

  constructor(engine: Engine) {
    this.engine = engine;
  }

  /**
   * Open the addresses that the plan needs and that are not open yet. Connections that come before `take` wait. All or
   * nothing: rejects with Lb4Error LB4_LISTEN.
   */
  async prepare(
    plan: Plan,
    observers: Observers,
    inherited: readonly Inherited[],
  ): Promise<Map<string, Open>> {
    const opened = new Map<string, Open>();
    try {
      for (const service of plan.services) {
        for (const [i, key] of listenKeys(service).entries()) {
          if (this.open.has(key) || opened.has(key)) continue;
          const { bind, fd } = service.listen[i]!;
          const known = inherited.find(one => one.key === key);
          const at = known !== undefined && bind.kind !== 'unix' ? { ...bind, port: known.port } : bind;
          const taken = fd !== -1 && known?.fd === undefined ? { fd } : known;
          if (service.protocol === 'tcp') {
            const observer = observers.stream(service.slot);
            const listener = await this.engine.listen(at, service.socket, observer, taken);
            listener.pause();
            opened.set(key, { key, protocol: 'tcp', listener });
          } else {
            const listener = await this.engine.listenUdp(at, observers.datagram(service.slot), taken);
            opened.set(key, { key, protocol: 'udp', listener });
          }
        }
      }
    } catch (error) {
      await closeAll(opened.values());
      throw error;
    }
    return opened;
  }

  /** Add what was prepared, point every listener at its service and close those that nobody wants any more. */
  async take(plan: Plan, observers: Observers, opened: ReadonlyMap<string, Open>): Promise<Listening[]> {
    const next = new Map<string, Open>();
    const listening: Listening[] = [];
    for (const service of plan.services) {
      for (const key of listenKeys(service)) {
        const one = (this.open.get(key) ?? opened.get(key))!;
        if (one.protocol === 'tcp') one.listener.observer = observers.stream(service.slot);
        else one.listener.observer = observers.datagram(service.slot);
        next.set(key, one);
        listening.push({ service: service.name, address: formatAddress(one.listener.address) });
      }
    }
    const unwanted = [...this.open.values()].filter(({ key }) => !next.has(key));
    this.open = next;
    await closeAll(unwanted);
    for (const one of opened.values()) if (one.protocol === 'tcp' && !this.paused) one.listener.resume();
    return listening;
  }

  /** Leave new connections waiting, or let them in. Datagrams are the services' own business. */
  setPaused(paused: boolean): void {
    this.paused = paused;
    for (const one of this.open.values()) {
      if (one.protocol === 'udp') continue;
      if (paused) one.listener.pause();
      else one.listener.resume();
      // Resuming lets those in who waited, and may call for another pause.
      if (this.paused !== paused) return;
    }
  }

  /** Close the stream listeners; UDP flows live on theirs. */
  async closeStreams(): Promise<void> {
    const streams = [...this.open.values()].filter(({ protocol }) => protocol === 'tcp');
    for (const { key } of streams) this.open.delete(key);
    await closeAll(streams);
  }

  async close(): Promise<void> {
    const all = [...this.open.values()];
    this.open.clear();
    await closeAll(all);
  }
}

/** Close listeners that were prepared and are not wanted. */
export async function closeAll(list: Iterable<Open>): Promise<void> {
  await Promise.all(Array.from(list, ({ listener }) => listener.close()));
}

/** A key for each address of the service. Port 0 is a new port for each service; any other is one listener whoever serves it. */
export function listenKeys({ name, protocol, listen }: ServicePlan): string[] {
  return listen.map(({ bind }) => {
    const address = formatAddress(bind);
    return `${address.endsWith(':0') ? `${name} ` : ''}${protocol} ${address}`;
  });
}

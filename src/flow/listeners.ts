import { type Endpoint, formatAddress } from '../address.js';
import type {
  DatagramListener,
  DatagramObserver,
  Engine,
  Listener,
  ListenObserver,
  Taken,
} from '../engines/engine.js';
import type { Plan, ServicePlan } from '../pool/plan.js';

interface OpenAddress {
  readonly key: string;
  readonly address: Endpoint;
}

/**
 * The listeners of an address, under its key. One, as a rule; several where the process before this one had more threads,
 * none where those that it had are with other threads.
 */
export type Open =
  | (OpenAddress & { readonly protocol: 'tcp'; readonly listeners: readonly Listener[] })
  | (OpenAddress & { readonly protocol: 'udp'; readonly listeners: readonly DatagramListener[] });

/** Who serves a service's clients, by its slot; the plan says which of the two it is. */
export interface Observers {
  stream(slot: number): ListenObserver;
  datagram(slot: number): DatagramObserver;
}

/** The sockets of an address. */
export interface Sockets {
  readonly key: string;
  readonly protocol: 'tcp' | 'udp';
  readonly address: Endpoint;
  readonly fds: readonly number[];
  /** The path of a unix socket goes when these close. */
  readonly owned: boolean;
}

/** An address that is bound already: by another thread, by another process, or before this thread took over. */
export interface Inherited {
  readonly key: string;
  /** With the port that it has. */
  readonly address: Endpoint;
  /** Descriptors to listen with, maybe none; absent where the address is to be bound once more. */
  readonly fds?: readonly number[];
  /** The path of a unix socket is this thread's to remove. */
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
          const known = inherited.find(one => one.key === key);
          opened.set(key, await this.openOne(service, i, key, observers, known));
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
        if (one.protocol === 'tcp') {
          for (const listener of one.listeners) listener.observer = observers.stream(service.slot);
        } else {
          for (const listener of one.listeners) listener.observer = observers.datagram(service.slot);
        }
        next.set(key, one);
        listening.push({ service: service.name, address: formatAddress(one.address) });
      }
    }
    const unwanted = [...this.open.values()].filter(({ key }) => !next.has(key));
    this.open = next;
    await closeAll(unwanted);
    for (const one of opened.values()) {
      if (one.protocol === 'udp') continue;
      for (const listener of one.listeners) if (!this.paused) listener.resume();
    }
    return listening;
  }

  /** Leave new connections waiting, or let them in. Datagrams are the services' own business. */
  setPaused(paused: boolean): void {
    this.paused = paused;
    for (const one of this.open.values()) {
      if (one.protocol === 'udp') continue;
      for (const listener of one.listeners) {
        if (paused) listener.pause();
        else listener.resume();
        // Resuming lets those in who waited, and may call for another pause.
        if (this.paused !== paused) return;
      }
    }
  }

  /** What is open. */
  get sockets(): Sockets[] {
    return [...this.open.values()].map(socketsOf);
  }

  /** The datagram listeners of an address. */
  datagram(key: string): readonly DatagramListener[] {
    const found = this.open.get(key);
    return found?.protocol === 'udp' ? found.listeners : [];
  }

  /** The address of a datagram listener, and its place among those of that address. */
  placeOf(listener: DatagramListener): { readonly key: string; readonly index: number } | undefined {
    for (const { key, protocol, listeners } of this.open.values()) {
      const index = protocol === 'udp' ? listeners.indexOf(listener) : -1;
      if (index !== -1) return { key, index };
    }
    return undefined;
  }

  /** Close the stream listeners; UDP flows live on theirs. */
  async closeStreams(handedOver: boolean): Promise<void> {
    const streams = [...this.open.values()].filter(({ protocol }) => protocol === 'tcp');
    for (const { key } of streams) this.open.delete(key);
    await closeAll(streams, handedOver);
  }

  async close(): Promise<void> {
    const all = [...this.open.values()];
    this.open.clear();
    await closeAll(all);
  }

  private async openOne(
    service: ServicePlan,
    i: number,
    key: string,
    observers: Observers,
    known: Inherited | undefined,
  ): Promise<Open> {
    const { engine } = this;
    const { slot, protocol, socket } = service;
    const { bind, fd } = service.listen[i]!;
    const at = known !== undefined && bind.kind !== 'unix' ? { ...bind, port: portOf(known.address) } : bind;
    const owned = fd === -1 && known?.owned === true;
    const fds = known?.fds ?? (fd === -1 ? undefined : [fd]);
    const taken = fds?.map(one => ({ fd: one, owned })) ?? [known && {}];
    if (protocol === 'tcp') {
      const listeners = await openEach(taken, one => engine.listen(at, socket, observers.stream(slot), one));
      for (const listener of listeners) listener.pause();
      return { key, protocol, address: known?.address ?? listeners[0]!.address, listeners };
    }
    const listeners = await openEach(taken, one => engine.listenUdp(at, observers.datagram(slot), one));
    return { key, protocol, address: known?.address ?? listeners[0]!.address, listeners };
  }
}

/** All or none. */
async function openEach<T extends { close(): Promise<void> }>(
  taken: readonly (Taken | undefined)[],
  open: (taken: Taken | undefined) => Promise<T>,
): Promise<T[]> {
  const opened: T[] = [];
  try {
    for (const one of taken) opened.push(await open(one));
  } catch (error) {
    await Promise.all(opened.map(one => one.close()));
    throw error;
  }
  return opened;
}

/** Close listeners that were prepared and are not wanted, or that another process goes on with. */
export async function closeAll(list: Iterable<Open>, handedOver = false): Promise<void> {
  await Promise.all(
    Array.from(list).flatMap(({ listeners }) => listeners.map(listener => listener.close(handedOver))),
  );
}

export function socketsOf({ key, protocol, address, listeners }: Open): Sockets {
  const owned = protocol === 'tcp' && listeners.some(one => one.owned);
  return { key, protocol, address, fds: listeners.flatMap(({ fds }) => fds), owned };
}

function portOf(address: Endpoint): number {
  return address.kind === 'ip' ? address.port : 0;
}

/** A key for each address of the service. Port 0 is a new port for each service; any other is one listener whoever serves it. */
export function listenKeys({ name, protocol, listen }: ServicePlan): string[] {
  return listen.map(({ bind }) => {
    const address = formatAddress(bind);
    return `${address.endsWith(':0') ? `${name} ` : ''}${protocol} ${address}`;
  });
}

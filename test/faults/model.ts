import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import type { Test } from 'tap';
import type { ConfigInput } from '../../src/config/schema.js';
import { accountsAgree } from '../fixtures/accounts.js';
import { type Administered, startAdministered } from '../fixtures/api.js';
import { ENGINE, oneService } from '../fixtures/balancer.js';
import { client } from '../fixtures/clients.js';
import { TestPeer } from '../fixtures/peer.js';
import { until } from '../fixtures/until.js';

export const BACKENDS = 3;
export const STRATEGIES = ['round-robin', 'least-connections', 'random', 'two-choices', 'maglev'] as const;

/** Bytes that a client says first: who it is. */
export const NAME_LENGTH = 12;

/** What a run believes of a backend. */
export interface ModelBackend {
  isUp: boolean;
  state: 'ready' | 'drain' | 'maint';
  isConfigured: boolean;
}

/** What a run believes of a connection. */
export interface ModelConnection {
  readonly from: string;
  /** Undefined: nobody could serve it. */
  backend: number | undefined;
  bytesIn: number;
  bytesOut: number;
  clientFin: boolean;
  backendFin: boolean;
  /** Why it ended; undefined while it is open. */
  reason: string | undefined;
}

export class Model {
  readonly backends: ModelBackend[] = Array.from({ length: BACKENDS }, () => ({
    isUp: true,
    state: 'ready',
    isConfigured: true,
  }));
  readonly connections: ModelConnection[] = [];
  strategy: (typeof STRATEGIES)[number] = 'round-robin';

  get open(): ModelConnection[] {
    return this.connections.filter(({ reason }) => reason === undefined);
  }

  /** Who may be picked. */
  get usable(): number[] {
    return [...this.backends.keys()].filter(i => {
      const { state, isConfigured } = this.backends[i]!;
      return isConfigured && state === 'ready';
    });
  }
}

/** A backend that says and does only what it is told; it can stop listening while its connections go on. */
class Puppet {
  port = 0;
  /** By the name that the client said. */
  readonly peers = new Map<string, TestPeer>();
  private server: Server | undefined;

  async up(): Promise<void> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, socket => {
      const peer = new TestPeer(socket);
      const onData = () => {
        if (peer.received < NAME_LENGTH) return;
        socket.off('data', onData);
        this.peers.set(peer.text.slice(0, NAME_LENGTH), peer);
      };
      socket.on('data', onData);
    });
    server.listen({ host: '127.0.0.1', port: this.port, backlog: 512 });
    await once(server, 'listening');
    this.port = (server.address() as AddressInfo).port;
    this.server = server;
  }

  down(): void {
    this.server?.close();
    this.server = undefined;
  }

  stop(): void {
    this.down();
    for (const { socket } of this.peers.values()) socket.destroy();
  }
}

/** Two ends of a connection through lb4. */
interface Ends {
  readonly near: TestPeer;
  far: TestPeer | undefined;
}

/** The real thing: lb4, its backends, its clients. One for all runs, brought back to where it began after each. */
export class Real {
  readonly lb: Administered;
  readonly puppets: readonly Puppet[];
  readonly ends = new Map<string, Ends>();
  private readonly t: Test;
  private serial = 0;
  private linesBefore = 0;

  private constructor(t: Test, lb: Administered, puppets: readonly Puppet[]) {
    this.t = t;
    this.lb = lb;
    this.puppets = puppets;
  }

  static async start(t: Test): Promise<Real> {
    const puppets = Array.from({ length: BACKENDS }, () => new Puppet());
    t.teardown(() => {
      for (const puppet of puppets) puppet.stop();
    });
    for (const puppet of puppets) await puppet.up();
    const lb = await startAdministered(t, configOf(new Model(), puppets));
    return new Real(t, lb, puppets);
  }

  async apply(model: Model): Promise<void> {
    await this.lb.balancer.apply(configOf(model, this.puppets));
  }

  id(backend: number): string {
    return `b${backend}`;
  }

  /** A new client; who serves it, or undefined. */
  async open(): Promise<{ from: string; backend: number | undefined }> {
    const serial = this.serial++;
    const from = `127.2.${serial >> 8}.${serial & 255}`;
    const name = from.padEnd(NAME_LENGTH, '.');
    const near = client(this.t, this.lb.port(), { from });
    near.socket.write(name);
    const ends: Ends = { near, far: undefined };
    this.ends.set(from, ends);
    const backend = await until('it is served, or turned away', () => {
      const at = this.puppets.findIndex(({ peers }) => peers.has(name));
      if (at !== -1) return { at };
      return near.ending !== undefined || near.closed ? { at: -1 } : undefined;
    });
    if (backend.at === -1) {
      near.socket.destroy();
      return { from, backend: undefined };
    }
    ends.far = this.puppets[backend.at]!.peers.get(name);
    return { from, backend: backend.at };
  }

  /** What lb4 says is open must be what the model says. */
  async agrees(model: Model): Promise<void> {
    const wanted = model.backends.map((_, i) => model.open.filter(({ backend }) => backend === i).length);
    await until(`${model.open.length} open: ${wanted}`, () => {
      if (this.lb.balancer.active !== model.open.length) return false;
      const { backends } = this.lb.service();
      return model.backends.every(({ isConfigured }, i) => {
        const found = backends.find(({ id }) => id === this.id(i));
        // One that was removed is listed while it drains.
        return found === undefined ? !isConfigured : found.active === wanted[i];
      });
    });
  }

  /** End what is open, compare every line of the log with the model, and go back to the beginning. */
  async finish(model: Model): Promise<void> {
    for (const connection of model.open) {
      const { near, far } = this.ends.get(connection.from)!;
      // Whoever has said FIN already cannot be seen to break off.
      (connection.clientFin ? far! : near).reset();
      const how = connection.clientFin ? 'backend_reset' : 'client_reset';
      connection.reason = reasonOf(connection, how);
    }
    await this.lb.idle();
    const lines = (await this.lb.log.finished(this.linesBefore + model.connections.length)).slice(
      this.linesBefore,
    );
    this.linesBefore += lines.length;
    for (const { from, backend, bytesIn, bytesOut, reason } of model.connections) {
      const found = lines.filter(line => line.client.startsWith(`${from}:`));
      if (found.length !== 1) throw new Error(`${found.length} lines for ${from}`);
      const { bytes_in, bytes_out, reason: seen, backend: id } = found[0]!;
      const [is, should] = [
        `${seen}: ${bytes_in} in, ${bytes_out} out, ${backend === undefined ? '' : id}`,
        `${reason}: ${bytesIn} in, ${bytesOut} out, ${backend === undefined ? '' : this.id(backend)}`,
      ];
      if (is !== should) throw new Error(`${from} was "${is}", expected "${should}"`);
      const { near, far } = this.ends.get(from)!;
      near.socket.destroy();
      far?.socket.destroy();
    }
    this.ends.clear();
    for (const [i, puppet] of this.puppets.entries()) {
      puppet.peers.clear();
      if (!model.backends[i]!.isUp) await puppet.up();
    }
    await this.apply(new Model());
    for (const i of model.backends.keys()) {
      this.lb.balancer.setState('main', this.id(i), 'ready');
      this.lb.balancer.setWeight('main', this.id(i), 1);
    }
  }

  /** Log, metrics and status, over all runs. */
  async audit(): Promise<void> {
    await accountsAgree(this.t, this.lb, { returned: true });
  }
}

/** How a connection is said to have ended: by who said FIN first, or else by who broke off. */
export function reasonOf({ clientFin, backendFin }: ModelConnection, how: string): string {
  if (clientFin) return 'client_closed';
  return backendFin ? 'backend_closed' : how;
}

function configOf(model: Model, puppets: readonly Puppet[]): ConfigInput {
  const backends = puppets
    .map(({ port }, i) => ({ name: `b${i}`, address: `127.0.0.1:${port}` }))
    .filter((_, i) => model.backends[i]!.isConfigured);
  const threads = ENGINE === 'epoll' ? 2 : 1;
  return oneService(
    { backends, strategy: model.strategy, health: { kind: 'none', passive_failures: 0 } },
    { threads, drain_timeout: '0s' },
  );
}

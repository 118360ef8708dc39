import { linkSync, lstatSync, renameSync, rmSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { type Bind, type Endpoint, formatAddress, Peer } from '../../address.js';
import { Lb4Error } from '../../errors.js';
import type { SocketPlan } from '../../pool/plan.js';
import { describeSystemError } from '../../system-error.js';
import type { TimerWheel } from '../../timer-wheel.js';
import type { Listener, ListenObserver, Taken } from '../engine.js';
import { NetConn, WATER_MARK } from './conn.js';
import { descriptorOf } from './descriptor.js';
import type { Standby } from './standby.js';

/**
 * Connections that may wait while a listener is paused. Node cannot stop accepting without closing the listening
 * socket, so those who wait hold a descriptor each; whoever comes beyond that is turned away.
 */
export const MAX_PARKED = 1024;

/** What all listeners of an engine share. */
export interface ListenContext {
  readonly maxParked: number;
  readonly standby: Standby;
  readonly timers: TimerWheel;
}

export class NetListener implements Listener {
  readonly address: Endpoint;
  observer: ListenObserver;
  private readonly server: Server;
  private readonly parked: Socket[] = [];
  private paused = false;
  private readonly context: ListenContext;
  private readonly keepalive: number;
  /** Whose descriptor it is, where Node has not bound it. */
  private readonly taken: Taken | undefined;

  private constructor(
    server: Server,
    address: Endpoint,
    observer: ListenObserver,
    context: ListenContext,
    keepalive: number,
    taken: Taken | undefined,
  ) {
    this.server = server;
    this.address = address;
    this.observer = observer;
    this.context = context;
    this.keepalive = keepalive;
    this.taken = taken;
    server.on('connection', (socket: Socket) => this.accept(socket));
    server.on('error', (error: NodeJS.ErrnoException) =>
      this.observer.onAcceptTrouble(describeSystemError(error)),
    );
  }

  /**
   * Rejects with Lb4Error LB4_LISTEN. A unix socket left behind by a dead process is replaced. On standby an inherited socket
   * is listened on only when that is over: Node accepts from then on.
   */
  static async open(
    bind: Bind,
    options: SocketPlan,
    observer: ListenObserver,
    context: ListenContext,
    taken?: Taken,
  ): Promise<NetListener> {
    const server = createServer({
      allowHalfOpen: true,
      highWaterMark: WATER_MARK,
      noDelay: options.nodelay,
    });
    try {
      const fd = taken?.fd;
      let address = asEndpoint(bind);
      if (fd === undefined) address = await bindServer(server, bind, options.backlog);
      else if (!context.standby.defer(() => inherit(server, bind, fd)))
        address = await inherit(server, bind, fd);
      return new NetListener(server, address, observer, context, options.keepalive, taken);
    } catch (error) {
      throw new Lb4Error(
        'LB4_LISTEN',
        `cannot listen on ${formatAddress(bind)}: ${describeSystemError(error)}`,
        {
          cause: error,
        },
      );
    }
  }

  get fds(): readonly number[] {
    return [this.server.listening ? descriptorOf(this.server) : (this.taken?.fd ?? -1)];
  }

  get owned(): boolean {
    return this.taken?.fd === undefined || this.taken.owned === true;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    while (!this.paused && this.parked.length > 0 && this.observer.enter()) {
      this.deliver(this.parked.shift()!);
    }
  }

  async close(handedOver = false): Promise<void> {
    for (const socket of this.parked.splice(0)) socket.destroy();
    const { address } = this;
    if (address.kind === 'unix') {
      this.closeUnix(address.path, handedOver);
      return;
    }
    // 'close' would wait for the open connections, which live on; the socket itself is gone at once.
    this.server.close();
  }

  /** Node takes away the path of a socket that it has bound itself, and of no other. */
  private closeUnix(path: string, handedOver: boolean): void {
    const isNodes = this.taken?.fd === undefined;
    const kept = `${path}.${process.pid}`;
    if (isNodes && handedOver) linkSync(path, kept);
    this.server.close();
    if (isNodes && handedOver) renameSync(kept, path);
    if (!isNodes && this.owned && !handedOver) rmSync(path, { force: true });
  }

  private accept(socket: Socket): void {
    if (!this.paused && this.observer.enter()) {
      this.deliver(socket);
    } else if (this.parked.length < this.context.maxParked) {
      socket.on('error', ignore);
      this.parked.push(socket);
    } else {
      socket.on('error', ignore);
      if (socket.remotePort !== undefined) socket.resetAndDestroy();
      else socket.destroy();
      this.observer.onAcceptTrouble('too many connections are waiting, a new one was turned away');
    }
  }

  /** A place was taken for it. */
  private deliver(socket: Socket): void {
    if (socket.destroyed) {
      this.observer.leave();
      return;
    }
    socket.off('error', ignore);
    const peer = new Peer();
    const { remoteAddress } = socket;
    // A client that has reset in the meantime has no address any more.
    if (remoteAddress !== undefined) peer.setText(remoteAddress, socket.remotePort!);
    else if (this.address.kind === 'ip') {
      socket.on('error', ignore);
      socket.destroy();
      this.observer.leave();
      return;
    }
    this.observer.onAccept(new NetConn(socket, peer, true, this.context.timers, this.keepalive));
  }
}

function ignore(): void {}

/** Node takes the descriptor over: it is closed with the listener, and with it the way back to that socket. */
async function inherit(server: Server, bind: Bind, fd: number): Promise<Endpoint> {
  await listen(server, { fd });
  const address = server.address();
  if (address === null || typeof address === 'string') return bind as Endpoint;
  return { kind: 'ip', host: address.address, port: address.port };
}

/** Where a socket will listen that is not asked yet. */
function asEndpoint(bind: Bind): Endpoint {
  return bind.kind === 'any' ? { kind: 'ip', host: '::', port: bind.port } : bind;
}

async function bindServer(server: Server, bind: Bind, backlog: number): Promise<Endpoint> {
  switch (bind.kind) {
    case 'ip':
      await listen(server, { host: bind.host, port: bind.port, ipv6Only: true, backlog });
      return { kind: 'ip', host: bind.host, port: (server.address() as AddressInfo).port };
    case 'unix':
      refuseFile(bind.path);
      if (await isStale(bind.path)) await unlink(bind.path);
      await listen(server, { path: bind.path, backlog });
      return bind;
    case 'any': {
      const { port } = bind;
      try {
        await listen(server, { host: '::', port, backlog });
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL') throw error;
        await listen(server, { host: '0.0.0.0', port, backlog });
      }
      const address = server.address() as AddressInfo;
      return { kind: 'ip', host: address.address, port: address.port };
    }
  }
}

function listen(server: Server, options: object): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Throws where there is something else at the path than a socket: nobody wants that replaced. */
function refuseFile(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found !== undefined && !found.isSocket()) throw new Error('there is a file that is no socket');
}

/** True when the path is a socket that nobody accepts on. */
function isStale(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const probe = connect({ path });
    probe.on('connect', () => {
      probe.destroy();
      resolve(false);
    });
    probe.on('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
}

import { type BindOptions, createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import { type Bind, type Endpoint, formatAddress, Peer } from '../../address.js';
import { Lb4Error } from '../../errors.js';
import { describeSystemError } from '../../system-error.js';
import type { DatagramListener, DatagramObserver, DatagramPeer, Taken } from '../engine.js';
import { descriptorOf } from './descriptor.js';
import type { Standby } from './standby.js';

const RECEIVE_BUFFER = 4 << 20;
let nextId = 0;

/**
 * A datagram listener. Node does not tell which local address a datagram was sent to, so a listener on every address
 * opens one socket for each address of this machine, beside the wildcard for the rest: an answer then leaves
 * from the address that the client wrote to. `local` is the socket's place in the list.
 */
export class NetDatagramListener implements DatagramListener {
  readonly id = nextId++ & 0x7fff;
  readonly address: Endpoint;
  observer: DatagramObserver;
  private readonly sockets: Socket[];
  /** Which of them speak IPv6; asking a socket is a system call. */
  private readonly v6: boolean[] = [];
  private readonly from: DatagramPeer = { peer: new Peer(), local: 0 };
  private closed = false;
  /** The descriptor that it will read from when standby is over. */
  private waitsFor = -1;

  private constructor(sockets: Socket[], address: Endpoint, observer: DatagramObserver) {
    this.sockets = sockets;
    this.address = address;
    this.observer = observer;
    this.serve();
  }

  /** Rejects with Lb4Error LB4_LISTEN. On standby an inherited socket is read only when that is over. */
  static async open(
    bind: Bind,
    observer: DatagramObserver,
    standby: Standby,
    taken?: Taken,
  ): Promise<NetDatagramListener> {
    const sockets: Socket[] = [];
    try {
      if (bind.kind === 'unix') throw new Lb4Error('LB4_ADDRESS', 'unix sockets are for TCP services');
      const fd = taken?.fd;
      if (fd === undefined) {
        return new NetDatagramListener(sockets, await bindWildcardOrOne(bind, sockets), observer);
      }
      const address: Endpoint = bind.kind === 'any' ? { kind: 'ip', host: '::', port: bind.port } : bind;
      const waiting = new NetDatagramListener(sockets, address, observer);
      waiting.waitsFor = fd;
      const begin = async () => {
        if (!waiting.closed) await inherit(bind, fd, sockets);
        waiting.serve();
      };
      if (standby.defer(begin)) return waiting;
      const first = await inherit(bind, fd, sockets);
      return new NetDatagramListener(sockets, first, observer);
    } catch (error) {
      for (const socket of sockets) socket.close();
      const reason = error instanceof Lb4Error ? error.message : describeSystemError(error);
      throw new Lb4Error('LB4_LISTEN', `cannot listen on udp ${formatAddress(bind)}: ${reason}`, {
        cause: error,
      });
    }
  }

  get fds(): readonly number[] {
    return this.sockets.length > 0 ? this.sockets.map(descriptorOf) : [this.waitsFor];
  }

  send(data: Uint8Array, offset: number, length: number, to: DatagramPeer): void {
    if (this.closed) return;
    const { peer, local } = to;
    const at = local < this.sockets.length ? local : 0;
    const host = peer.family === 4 && this.v6[at] ? `::ffff:${peer.address}` : peer.address;
    // No callback: it would cost a tick for each answer, and without one a failed send is dropped just the same.
    this.sockets[at]!.send(data, offset, length, peer.port, host);
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await Promise.all(this.sockets.map(socket => new Promise<void>(resolve => socket.close(resolve))));
  }

  private serve(): void {
    this.sockets.forEach((socket, local) => {
      this.v6.push(socket.address().family === 'IPv6');
      try {
        socket.setRecvBufferSize(RECEIVE_BUFFER);
      } catch {
        // The system's own size will do.
      }
      socket.on('message', (data, info) => this.received(data, info, local));
      // Errors of single datagrams (a client's port that is gone) say nothing about the listener.
      socket.on('error', ignore);
    });
  }

  private received(data: Buffer, info: RemoteInfo, local: number): void {
    this.from.peer.setText(info.address, info.port);
    this.from.local = local;
    this.observer.onDatagram(this, data, 0, data.length, this.from);
  }
}

function ignore(): void {}

/** The socket is as whoever opened it made it: on a wildcard its answers leave from the address that routing picks. */
function inherit(bind: Bind, fd: number, sockets: Socket[]): Promise<Endpoint> {
  const host = bind.kind === 'ip' ? bind.host : '::';
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  return bound(socket, sockets, { fd, exclusive: true }, host);
}

/** Bind `bind` and, for a wildcard, every address of this machine too; all opened sockets are pushed onto `sockets`. */
async function bindWildcardOrOne(
  bind: Exclude<Bind, { kind: 'unix' }>,
  sockets: Socket[],
): Promise<Endpoint> {
  if (bind.kind === 'ip' && bind.host !== '0.0.0.0' && bind.host !== '::') {
    return openSocket(bind.host, bind.port, { ipv6Only: true }, sockets);
  }
  const dual = bind.kind === 'any';
  let host = dual ? '::' : bind.host;
  // Sockets that share a port must all allow it, and then nobody notices another program there: so ask alone first.
  let free: Endpoint & { kind: 'ip' };
  try {
    free = await probePort(host, bind.port, dual);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!dual || (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL')) throw error;
    host = '0.0.0.0';
    free = await probePort(host, bind.port, false);
  }
  const v6 = host === '::';
  const first = await openSocket(host, free.port, { ipv6Only: v6 && !dual, reuseAddr: true }, sockets);
  for (const address of localAddresses()) {
    const wanted = address.includes(':') ? v6 : dual || !v6;
    if (wanted)
      await openSocket(address, free.port, { ipv6Only: true, reuseAddr: true }, sockets).catch(ignore);
  }
  return first;
}

async function probePort(host: string, port: number, dual: boolean): Promise<Endpoint & { kind: 'ip' }> {
  const probe: Socket[] = [];
  const address = await openSocket(host, port, { ipv6Only: host === '::' && !dual }, probe);
  await new Promise<void>(resolve => probe[0]!.close(resolve));
  return address;
}

function localAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap(list =>
    (list ?? []).map(({ address, scopeid }) => (scopeid ? '' : address)).filter(address => address !== ''),
  );
}

function openSocket(
  host: string,
  port: number,
  options: { ipv6Only: boolean; reuseAddr?: boolean },
  sockets: Socket[],
): Promise<Endpoint & { kind: 'ip' }> {
  const v6 = host.includes(':');
  const socket = createSocket({
    type: v6 ? 'udp6' : 'udp4',
    ipv6Only: v6 && options.ipv6Only,
    reuseAddr: options.reuseAddr ?? false,
    lookup: (name, _options, done) => done(null, name, name.includes(':') ? 6 : 4),
  });
  return bound(socket, sockets, { address: host, port, exclusive: true }, host);
}

function bound(
  socket: Socket,
  sockets: Socket[],
  to: BindOptions,
  host: string,
): Promise<Endpoint & { kind: 'ip' }> {
  return new Promise((resolve, reject) => {
    socket.once('error', error => {
      socket.close();
      reject(error);
    });
    socket.bind(to, () => {
      socket.removeAllListeners('error');
      sockets.push(socket);
      resolve({ kind: 'ip', host, port: socket.address().port });
    });
  });
}

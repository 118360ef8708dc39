import { createSocket, type Socket } from 'node:dgram';
import type { Endpoint } from '../../address.js';
import { Lb4Error } from '../../errors.js';
import type { SocketPlan } from '../../pool/plan.js';
import { describeSystemError, isLocalTrouble } from '../../system-error.js';
import type { DatagramUpstream, UpstreamObserver } from '../engine.js';

/** Datagrams that may wait for the socket to be connected, a matter of one turn of the loop. */
const MAX_EARLY = 64;
const RECEIVE_BUFFER = 1 << 20;

/** A datagram socket connected to a backend, so that only its answers arrive and ICMP errors are told. */
export class NetDatagramUpstream implements DatagramUpstream {
  private readonly socket: Socket;
  private readonly observer: UpstreamObserver;
  private early: Buffer[] | undefined = [];
  private closed = false;

  constructor(endpoint: Endpoint, options: SocketPlan, observer: UpstreamObserver) {
    if (endpoint.kind !== 'ip') throw new Lb4Error('LB4_ADDRESS', 'expected an IP address for a UDP backend');
    this.observer = observer;
    this.socket = createSocket({
      type: endpoint.host.includes(':') ? 'udp6' : 'udp4',
      // A literal needs no look-up; Node's own would go through the thread pool.
      lookup: (host, _options, done) => done(null, host, host.includes(':') ? 6 : 4),
    });
    this.socket.on('message', data => this.observer.onReply(data, 0, data.length));
    this.socket.on('error', error => this.failed(error));
    const connect = () => this.socket.connect(endpoint.port, endpoint.host, () => this.connected());
    if (options.source === '') connect();
    else this.socket.bind(0, options.source, connect);
  }

  send(data: Uint8Array, offset: number, length: number): void {
    if (this.early === undefined) {
      this.socket.send(data, offset, length, this.sent);
    } else if (this.early.length < MAX_EARLY) {
      this.early.push(Buffer.from(data.subarray(offset, offset + length)));
    }
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.early = [];
    this.socket.close();
  }

  private connected(): void {
    if (this.closed) return;
    try {
      this.socket.setRecvBufferSize(RECEIVE_BUFFER);
    } catch {
      // The system's own size will do.
    }
    const early = this.early ?? [];
    this.early = undefined;
    for (const data of early) this.send(data, 0, data.length);
  }

  private readonly sent = (error: Error | null): void => {
    if (error !== null) this.failed(error);
  };

  private failed(error: Error): void {
    if (this.closed) return;
    const dead = this.early !== undefined;
    this.observer.onUpstreamError({ reason: icmpReason(error), local: isLocalTrouble(error), dead });
  }
}

function icmpReason(error: Error): string {
  return (error as NodeJS.ErrnoException).code === 'ECONNREFUSED'
    ? 'port unreachable'
    : describeSystemError(error);
}

import type { Relay, RelayEnd, RelayObserver } from '../engine.js';
import type { NetConn } from './conn.js';
import type { ResetQueue } from './reset-queue.js';

/** Passes bytes between two sockets until both are closed. One object a connection; the handlers are shared functions. */
export class NetRelay implements Relay {
  bytesIn = 0;
  bytesOut = 0;
  activeAt: number;
  private readonly client: NetConn;
  private readonly upstream: NetConn;
  private readonly observer: RelayObserver;
  private readonly track: boolean;
  private readonly now: () => number;
  private readonly resets: ResetQueue;
  private end: RelayEnd | undefined = undefined;
  private cut: RelayEnd | undefined = undefined;
  private aborted = false;
  private startedAt: number;

  constructor(
    client: NetConn,
    upstream: NetConn,
    observer: RelayObserver,
    track: boolean,
    now: () => number,
    resets: ResetQueue,
  ) {
    this.client = client;
    this.upstream = upstream;
    this.observer = observer;
    this.track = track;
    this.now = now;
    this.resets = resets;
    this.startedAt = this.activeAt = now();
    client.relay = upstream.relay = this;
    client.other = upstream;
    upstream.other = client;
  }

  start(): void {
    const { client, upstream } = this;
    const head = client.takeHead();
    if (head.length > 0) this.forward(client, head);
    upstream.startReading();
    client.startReading();
    if (client.finished) this.onFin(client);
  }

  forward(from: NetConn, chunk: Buffer): void {
    const to = from.other!;
    if (to.deaf || to.leaving || to.closed) return;
    if (this.track) this.activeAt = this.now();
    if (from === this.client) {
      if (this.bytesIn === 0 && this.bytesOut === 0) this.startedAt = this.now();
      this.bytesIn += chunk.length;
    } else {
      if (this.bytesOut === 0) this.observer.onFirstByte(this.now() - this.startedAt);
      this.bytesOut += chunk.length;
    }
    // With a water mark of one byte write() always answers false: what counts is whether the kernel took it all.
    to.socket.write(chunk);
    if (to.socket.writableLength > 0) from.socket.pause();
  }

  onFin(from: NetConn): void {
    this.end ??= from === this.client ? 'client_closed' : 'backend_closed';
    const to = from.other!;
    if (this.aborted || to.closed || to.leaving) return;
    // Closing sends the FIN as well: a shutdown of its own is for an end that still has something to say.
    if (to.finished && to.socket.writableLength === 0) to.socket.destroy();
    else to.socket.end();
    if (!to.finished) this.observer.onHalfClosed();
  }

  onBroken(from: NetConn): void {
    const how = from === this.client ? 'client_reset' : 'backend_reset';
    if (this.end === undefined) this.end = how;
    else this.cut ??= how;
    this.resets.add(from.other!);
  }

  /** `conn` takes no more bytes: hold the sender, and read what is left of `conn` before it counts as reset. */
  onDeaf(conn: NetConn): void {
    conn.deaf = true;
    conn.other!.socket.pause();
    this.resets.addDeaf(conn);
  }

  onClose(): void {
    if (this.client.closed && this.upstream.closed) {
      if (this.aborted) this.observer.onRelayEnd(undefined);
      else this.observer.onRelayEnd(this.end, this.cut);
    }
  }

  abort(reset: boolean): void {
    this.aborted = true;
    for (const conn of [this.client, this.upstream]) {
      if (reset) conn.reset();
      else conn.close();
    }
  }
}

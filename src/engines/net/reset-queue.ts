import type { NetConn } from './conn.js';
import { kernelHex, readSendQueues, type SendQueues } from './send-queues.js';

/** How often the kernel's send queues are looked at while someone waits. */
const INTERVAL_MS = 10;
/** The longest pause between two looks, even where a look costs a good part of it. */
const MAX_PAUSE_MS = 400;
/** Whoever has not taken the last bytes by then gets the RST without them. */
const PATIENCE_MS = 30_000;
/** Where the kernel does not show its queues (not Linux), this long is taken for delivered. */
const BLIND_MS = 250;

interface Leaving {
  readonly conn: NetConn;
  readonly since: number;
}

interface Deaf {
  readonly conn: NetConn;
  bytesRead: number;
}

/**
 * Sends RST to sockets once the bytes in front of it were delivered. A reset drops what the kernel has not sent yet,
 * and Node cannot ask a socket how much that is; /proc/net/tcp can tell, and one read of it serves all who wait.
 */
export class ResetQueue {
  private leaving: Leaving[] = [];
  private deaf: Deaf[] = [];
  private timer: NodeJS.Timeout | undefined;
  private sweeping = false;
  private readonly now: () => number;

  constructor(now: () => number) {
    this.now = now;
  }

  /** Reset `conn` as soon as its peer has what was written. */
  add(conn: NetConn): void {
    if (conn.closed || conn.leaving) return;
    conn.leaving = true;
    conn.socket.pause();
    if (conn.deaf || conn.socket.bytesWritten === 0 || conn.socket.remotePort === undefined) {
      conn.reset();
      return;
    }
    this.leaving.push({ conn, since: this.now() });
    this.arm();
  }

  /** `conn` failed to take a write. When it is read empty, it is destroyed and its relay told that it broke. */
  addDeaf(conn: NetConn): void {
    this.deaf.push({ conn, bytesRead: -1 });
    this.arm();
  }

  stop(): void {
    clearTimeout(this.timer);
    for (const { conn } of this.leaving) conn.reset();
    this.leaving = [];
    this.deaf = [];
  }

  private arm(delay = INTERVAL_MS): void {
    if (this.sweeping || this.timer !== undefined) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.sweeping = true;
      void this.sweep().then(cost => {
        this.sweeping = false;
        // On a machine with very many sockets the look itself takes long: then look less often.
        if (this.leaving.length + this.deaf.length > 0) {
          this.arm(Math.min(MAX_PAUSE_MS, Math.max(INTERVAL_MS, cost * 10)));
        }
      });
    }, delay);
  }

  /** One look at everybody who waits; how many ms it cost. */
  private async sweep(): Promise<number> {
    this.deaf = this.deaf.filter(entry => this.hears(entry));
    if (this.leaving.length === 0) return 0;
    const start = this.now();
    const { queues, cost } = await readSendQueues(this.now);
    const now = this.now();
    this.leaving = this.leaving.filter(({ conn, since }) => {
      if (conn.closed) return false;
      // Whoever came during the look may have been passed before its last bytes were written.
      if (since >= start) return true;
      if (now - since < PATIENCE_MS && !delivered(conn, queues, now - since)) return true;
      conn.reset();
      return false;
    });
    return cost;
  }

  /** True while there may be bytes to read. A reset connection gets no new ones, so one quiet look means empty. */
  private hears(entry: Deaf): boolean {
    const { conn } = entry;
    if (conn.closed) return false;
    const { bytesRead } = conn.socket;
    if (conn.socket.isPaused() || bytesRead !== entry.bytesRead) {
      entry.bytesRead = bytesRead;
      return true;
    }
    conn.onBroken();
    conn.socket.destroy();
    return false;
  }
}

function delivered(conn: NetConn, queues: SendQueues['queues'], waited: number): boolean {
  if (conn.socket.writableLength > 0) return false;
  if (queues === undefined) return waited >= BLIND_MS;
  const { localAddress, localPort, remoteAddress, remotePort } = conn.socket;
  if (localAddress === undefined || remoteAddress === undefined) return true;
  const key = `${kernelHex(localAddress, localPort!)} ${kernelHex(remoteAddress, remotePort!)}`;
  return (queues.get(key) ?? 0) === 0;
}

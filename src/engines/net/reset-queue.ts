import { readFile } from 'node:fs/promises';
import { Peer } from '../../address.js';
import type { NetConn } from './conn.js';

/** How often the kernel's send queues are looked at while someone waits. */
const INTERVAL_MS = 10;
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
        if (this.leaving.length + this.deaf.length > 0) this.arm(Math.max(INTERVAL_MS, cost * 10));
      });
    }, delay);
  }

  /** One look at everybody who waits; how many ms it took. */
  private async sweep(): Promise<number> {
    const start = this.now();
    this.deaf = this.deaf.filter(entry => this.hears(entry));
    if (this.leaving.length > 0) {
      const queues = await readSendQueues();
      const now = this.now();
      this.leaving = this.leaving.filter(({ conn, since }) => {
        if (conn.closed) return false;
        if (now - since < PATIENCE_MS && !delivered(conn, queues, now - since)) return true;
        conn.reset();
        return false;
      });
    }
    return this.now() - start;
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

/** `local remote` in the kernel's hexadecimal → bytes not acknowledged; undefined where the kernel does not tell. */
type SendQueues = ReadonlyMap<string, number> | undefined;

async function readSendQueues(): Promise<SendQueues> {
  const queues = new Map<string, number>();
  let files = 0;
  for (const file of ['/proc/net/tcp', '/proc/net/tcp6']) {
    const text = await readFile(file, 'latin1').catch(() => '');
    if (text !== '') files++;
    for (const line of text.split('\n')) {
      const [, local, remote, , queue] = line.trimStart().split(/\s+/, 5);
      if (queue !== undefined) queues.set(`${local} ${remote}`, Number.parseInt(queue, 16));
    }
  }
  return files === 0 ? undefined : queues;
}

function delivered(conn: NetConn, queues: SendQueues, waited: number): boolean {
  if (conn.socket.writableLength > 0) return false;
  if (queues === undefined) return waited >= BLIND_MS;
  const { localAddress, localPort, remoteAddress, remotePort } = conn.socket;
  if (localAddress === undefined || remoteAddress === undefined) return true;
  const key = `${kernelHex(localAddress, localPort!)} ${kernelHex(remoteAddress, remotePort!)}`;
  return (queues.get(key) ?? 0) === 0;
}

/** An address as /proc/net/tcp prints it: each 32-bit word in the machine's (little-endian) byte order. */
function kernelHex(address: string, port: number): string {
  const peer = new Peer().setText(address, port);
  const mapped = peer.family === 4 && address.includes(':');
  const words = peer.family === 4 ? [peer.a3] : [peer.a0, peer.a1, peer.a2, peer.a3];
  if (mapped) words.unshift(0, 0, 0xffff);
  const bytes = Buffer.alloc(words.length * 4);
  words.forEach((word, i) => {
    bytes.writeUInt32LE(word, i * 4);
  });
  return `${bytes.toString('hex').toUpperCase()}:${port.toString(16).toUpperCase().padStart(4, '0')}`;
}

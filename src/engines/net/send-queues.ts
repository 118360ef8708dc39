import { closeSync, openSync, readSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Peer } from '../../address.js';

/** How long one stretch of reading may hold up everybody else. */
const STRETCH_MS = 2;
const chunk = Buffer.alloc(65_536);

/** One look at the send queues of all TCP sockets of this machine. */
export interface SendQueues {
  /** `local remote` in the kernel's hexadecimal → bytes not acknowledged; undefined where the kernel does not tell. */
  readonly queues: ReadonlyMap<string, number> | undefined;
  /** ms of this thread that the look has cost. */
  readonly cost: number;
}

/**
 * Read /proc/net/tcp, which comes a page a read: asynchronous reads would need a turn of the loop for each, seconds on
 * a busy machine with many sockets. So it is read in stretches, with a turn for the others in between.
 */
export async function readSendQueues(now: () => number): Promise<SendQueues> {
  const queues = new Map<string, number>();
  let files = 0;
  let cost = 0;
  for (const path of ['/proc/net/tcp', '/proc/net/tcp6']) {
    const fd = open(path);
    if (fd === undefined) continue;
    files++;
    try {
      let rest = '';
      let more = true;
      while (more) {
        const start = now();
        while (more && now() - start < STRETCH_MS) {
          const bytes = readSync(fd, chunk);
          more = bytes > 0;
          rest = takeLines(rest + chunk.toString('latin1', 0, bytes), queues);
        }
        cost += now() - start;
        if (more) await nextTurn();
      }
    } finally {
      closeSync(fd);
    }
  }
  return { queues: files === 0 ? undefined : queues, cost };
}

/** An address as /proc/net/tcp prints it: each 32-bit word in the machine's (little-endian) byte order. */
export function kernelHex(address: string, port: number): string {
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

function open(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch {
    return undefined;
  }
}

/** Note the sockets that have something queued; what is left behind the last whole line is returned. */
function takeLines(text: string, queues: Map<string, number>): string {
  const lines = text.split('\n');
  const rest = lines.pop()!;
  for (const line of lines) {
    const [, local, remote, , queue] = line.trimStart().split(/\s+/, 5);
    const bytes = Number.parseInt(queue ?? '', 16);
    if (bytes > 0) queues.set(`${local} ${remote}`, bytes);
  }
  return rest;
}

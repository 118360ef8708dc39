import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { isSupported } from '../../src/engines/epoll/libc.js';
import { backend } from '../fixtures/backends.js';
import { noise } from '../fixtures/bytes.js';
import { client } from '../fixtures/clients.js';
import { BACKEND, onLoopback, Relays } from '../fixtures/hand-over.js';
import type { TestPeer } from '../fixtures/peer.js';
import { until } from '../fixtures/until.js';

const EPOLL = { skip: !isSupported() && 'not on this machine' };
const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));

/** Numbers in [0, 1) that follow from a seed (mulberry32). */
function numbers(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

const block = noise(1 << 20, 99);

/**
 * Write pieces of all sizes, with and without pauses, until told to end; then FIN. The hash of what was written, `greeting`
 * first, which was written before.
 */
async function talk(
  peer: TestPeer,
  greeting: string,
  random: () => number,
  over: () => boolean,
): Promise<string> {
  const hash = createHash('sha1').update(greeting);
  while (!over()) {
    const size = Math.ceil(2 ** (random() * 20));
    const at = Math.floor(random() * (block.length - size));
    const piece = block.subarray(at, at + size);
    hash.update(piece);
    await peer.write(piece);
    if (random() < 0.3) await sleep(random() * 30);
    // A slow reader: what is sent to it piles up on the way.
    if (random() < 0.2) {
      peer.socket.pause();
      setTimeout(() => peer.socket.resume(), random() * 200);
    }
  }
  peer.finish();
  return hash.digest('hex');
}

t.test(`streams of all kinds through many hand-overs: SEED=${SEED}`, EPOLL, async t => {
  /** The other ends, by the first that they get: the greeting, which comes alone. */
  const others = new Map<string, TestPeer>();
  const server = await backend(t, peer => {
    peer.socket.once('data', chunk => others.set(chunk.toString(), peer));
  });
  const relays = await Relays.start(t, 2, { backends: [onLoopback(server.port)] });
  const random = numbers(SEED);
  let ended = 0;
  let quits = false;
  /** One pair after the other; each ends when it likes. */
  const pairs = Array.from({ length: 8 }, async (_, i) => {
    const own = numbers(SEED + i + 1);
    for (let round = 0; !quits; round++) {
      const peer = client(t, relays.port);
      const greeting = `${i}/${round}|`;
      await peer.write(greeting);
      const other = await until(`the other end of ${greeting}`, () => others.get(greeting));
      const end = performance.now() + own() * 1_500;
      const over = () => quits || performance.now() > end;
      const [sent, answered] = await Promise.all([
        talk(peer, greeting, own, over),
        talk(other, '', own, over),
      ]);
      t.strictSame([await peer.end(60_000), await other.end(60_000)], ['FIN', 'FIN']);
      t.equal(peer.sha, answered, 'every byte of the answer');
      t.equal(other.sha, sent, 'every byte of the question');
      ended++;
    }
  });
  for (let i = 0; i < 8; i++) {
    await relays.handOver(1 + Math.floor(random() * 3));
    await sleep(random() * 200);
  }
  quits = true;
  await Promise.all(pairs);
  await relays.idle();
  t.equal(relays.finished.length, ended);
  t.equal(relays.active(BACKEND), 0);
  t.ok(ended >= 8, `${ended} pairs`);
});

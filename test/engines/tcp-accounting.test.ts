import t, { type Test } from 'tap';
import { backend, echo, freePort, named, says, sink } from '../fixtures/backends.js';
import { oneService, startBalancer } from '../fixtures/balancer.js';
import { client } from '../fixtures/clients.js';
import { descriptors } from '../fixtures/process.js';
import { until } from '../fixtures/until.js';

const CYCLES = 3_000;
const AT_ONCE = 40;
/** No cycle takes that long by itself, not even on a busy machine. */
const SLOW_MS = 3_000;

/** A generator with a seed, so that a failure can be seen again. */
function random(seed: number): () => number {
  let x = seed;
  return () => {
    x = (Math.imul(x, 1_103_515_245) + 12_345) & 0x7fffffff;
    return x / 0x80000000;
  };
}

/**
 * One connection with a random life. False when it was reset before it heard anything: then it may have been gone before
 * lb4 could accept it, and was never there.
 */
async function cycle(t: Test, port: number, dice: number, size: number): Promise<boolean> {
  const peer = client(t, port);
  await until('connected', () => !peer.socket.connecting);
  if (dice < 0.2) {
    peer.finish();
  } else if (dice < 0.4) {
    peer.finish(Buffer.alloc(size, 'a'));
    await peer.end();
  } else if (dice < 0.6) {
    await peer.write(Buffer.alloc(size, 'b')).catch(() => {});
    peer.reset();
  } else if (dice < 0.8) {
    await peer.write(Buffer.alloc(100, 'c')).catch(() => {});
    await peer.reads(1, 50).catch(() => {});
    peer.finish();
    await peer.end();
  } else {
    await peer.reads(1, 50).catch(() => {});
    if (dice < 0.9) peer.reset();
  }
  peer.socket.destroy();
  const reset = (dice >= 0.4 && dice < 0.6) || (dice >= 0.8 && dice < 0.9);
  return !reset || peer.received > 0;
}

t.test(`after ${CYCLES} random open/close/reset cycles everything adds up`, async t => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  t.comment(`SEED=${seed}`);
  const next = random(seed);
  const servers = await Promise.all([
    backend(t, echo),
    backend(t, named('hello')),
    backend(t, says('short')),
    backend(t, peer => {
      peer.socket.once('data', () => peer.reset());
      sink(peer);
    }),
    backend(t, sink),
  ]);
  const lb = await startBalancer(
    t,
    oneService({
      backends: [...servers.map(({ address }) => address), `127.0.0.1:${await freePort()}`],
      strategy: 'random',
      health: { kind: 'none', passive_failures: 0 },
      timeouts: { half_closed: '200ms' },
    }),
  );
  const port = lb.port();
  await t.test('warm-up', async t => {
    await cycle(t, port, 0.3, 10);
  });
  await lb.idle();
  await until('all closed', () => servers.every(({ open }) => open === 0));
  const before = descriptors();

  let started = 0;
  let certain = 1;
  await t.test('cycles', { timeout: 100_000 }, async t => {
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        while (started < CYCLES) {
          started++;
          if (await cycle(t, port, next(), Math.floor(next() * 100_000))) certain++;
        }
      }),
    );
  });
  await lb.idle();

  const lines = await lb.log.finished(certain);
  t.ok(lines.length <= CYCLES + 1, `${lines.length} lines, of which ${certain} must be there`);
  const slow = lines.filter(({ duration_ms }) => duration_ms > SLOW_MS);
  t.same(slow, [], 'a reset is passed on soon, however many sockets there are');
  const { active, backends } = lb.service();
  t.equal(active, 0);
  for (const one of backends) {
    const own = lines.filter(line => line.backend === one.id && line.connect_ms !== null);
    const sum = (key: 'bytes_in' | 'bytes_out') => own.reduce((total, line) => total + line[key], 0);
    t.match(
      one,
      { active: 0, total: own.length, bytes_in: sum('bytes_in'), bytes_out: sum('bytes_out') },
      one.id,
    );
  }
  const odd = lines.filter(({ reason }) => !/^(client|backend)_(closed|reset)$|^idle_timeout$/.test(reason));
  t.same(odd, [], 'plain reasons only: the refusing backend is never the last');
  await until('every backend connection is over', () => servers.every(({ open }) => open === 0));
  await until(`descriptors back to ${before}`, () => descriptors() <= before);
});

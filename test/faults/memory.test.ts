import t from 'tap';
import { SCRIPT } from '../fixtures/actors.js';
import { backend } from '../fixtures/backends.js';
import { client } from '../fixtures/clients.js';
import { Lab, LONG } from '../fixtures/lab.js';
import type { TestPeer } from '../fixtures/peer.js';
import { memoryOf } from '../fixtures/process.js';
import { until } from '../fixtures/until.js';

const MB = 1 << 20;
const CLIENTS = LONG ? 600 : 150;
const BYTES = 400_000;
/** V8 gets no more for its heap: whatever is kept there a connection ends the process. */
const HEAP_MB = 64;

t.test(
  `${CLIENTS} connections whose ends do not read, in a heap of ${HEAP_MB} MB: memory is bounded, all is delivered`,
  async t => {
    const server = await backend(t, ({ socket }) => socket.end(SCRIPT.subarray(0, BYTES)), {
      pauseOnConnect: true,
    });
    const services = {
      main: { listen: '127.0.0.1:0', backends: [server.address], health: { kind: 'none' as const } },
    };
    const lab = await Lab.start(t, services, { env: { NODE_OPTIONS: `--max-old-space-size=${HEAP_MB}` } });
    const before = memoryOf(lab.pid);
    const peers = Array.from({ length: CLIENTS }, () => client(t, lab.port(), { paused: true }));
    for (const { socket } of peers) socket.end(SCRIPT.subarray(0, BYTES));
    let moved = -1;
    await until('nothing moves any more', async () => {
      const then = moved;
      const [one] = (await lab.status()).services[0]!.backends;
      moved = one!.bytes_in + one!.bytes_out;
      return one!.total === CLIENTS && moved === then;
    });
    const grown = memoryOf(lab.pid) - before;
    t.ok(
      grown < 60 * MB,
      `${Math.round(grown / MB)} MB more, with ${Math.round(moved / MB)} MB on their way`,
    );
    for (const peer of [...peers, ...server.peers]) peer.socket.resume();
    const isWhole = ({ received, bytes }: TestPeer) =>
      received === BYTES && bytes.equals(SCRIPT.subarray(0, BYTES));
    for (const peer of peers) t.ok((await peer.end()) === 'FIN' && isWhole(peer), `${peer.received} bytes`);
    for (const peer of server.peers)
      t.ok((await peer.end()) === 'FIN' && isWhole(peer), `${peer.received} bytes`);
    await lab.audit(t, CLIENTS);
    t.ok(lab.log.connections.every(({ bytes_in, bytes_out }) => bytes_in === BYTES && bytes_out === BYTES));
  },
);

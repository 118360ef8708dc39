import { fileURLToPath } from 'node:url';
import t from 'tap';
import { Peer } from '../../src/address.js';
import type { EpollConn } from '../../src/engines/epoll/conn.js';
import { isSupported } from '../../src/engines/epoll/libc.js';
import type { Loop } from '../../src/engines/epoll/loop.js';
import type { PipePool } from '../../src/engines/epoll/pipes.js';

const HERE = { skip: !isSupported() && 'the epoll engine is for Linux on x64 and arm64' };
/** Far more than one turn may take. */
const TOO_MUCH = 10_000;
const BULK = 11;
const TALK = 21;

/** tap would look beside the TypeScript. */
const compiled = (file: string): string =>
  fileURLToPath(new URL(`../../src/engines/epoll/${file}`, import.meta.url));

/**
 * A kernel in which one socket always has more to give and another always takes it: nothing but the budget ends a
 * turn of that connection.
 */
async function endless(splices: boolean) {
  let calls = 0;
  const served: number[] = [];
  const count = (fd: number): void => {
    served.push(fd);
    if (++calls > TOO_MUCH) throw new Error('one connection has the thread for itself');
  };
  const libc = await import('../../src/engines/epoll/libc.js');
  const { EpollRelay } = (await t.mockImport(compiled('relay.js'), {
    [compiled('libc.js')]: {
      ...libc,
      errno: () => libc.E.EAGAIN,
      recv: (fd: number, _buffer: unknown, length: number) => {
        count(fd);
        return fd === BULK ? length : 1;
      },
      send: (_fd: number, _buffer: unknown, length: number) => length,
      setsockopt: () => 0,
      splice: (from: number, _a: unknown, _to: number, _b: unknown, length: number) => {
        count(from);
        return length;
      },
    },
  })) as typeof import('../../src/engines/epoll/relay.js');
  const waiting: EpollConn[] = [];
  const loop = {
    slab: { buffer: 0n, bufferBytes: new Uint8Array(65_536), pair: 0n, pairWords: new Int32Array(2) },
    time: 0,
    again: (conn: EpollConn) => waiting.push(conn),
  } as unknown as Loop;
  const pipes = {
    take: () => (splices ? { readFd: 31, writeFd: 32 } : undefined),
    give() {},
  } as unknown as PipePool;
  const observer = { onFirstByte() {}, onHalfClosed() {}, onRelayEnd() {} };
  const conn = (fd: number) =>
    ({
      ...{ fd, peer: new Peer(), readable: false, hangup: false, finished: false, finWanted: false },
      ...{ finSent: false, deaf: false, leaving: false, closed: false, queued: false, fullReads: 0 },
      ...{ pending: new Uint8Array(0), pipe: undefined, pipeBytes: 0 },
      takeHead: () => new Uint8Array(0),
    }) as unknown as EpollConn;
  const relay = (client: EpollConn) =>
    new EpollRelay(loop, pipes, client, conn(client.fd + 1), observer, false);
  return { relay, conn, waiting, served };
}

for (const splices of [false, true]) {
  const how = splices ? 'through a pipe' : 'by copying';
  t.test(`a connection that could go on for ever lets the others have their turn: ${how}`, HERE, async t => {
    const { relay, conn, waiting, served } = await endless(splices);
    const bulk = conn(BULK);
    const talk = conn(TALK);
    const [first, second] = [relay(bulk), relay(talk)];
    bulk.readable = talk.readable = true;
    first.onEvents(bulk, false);
    second.onEvents(talk, false);
    t.strictSame(waiting, [bulk], 'it asks for another turn, behind everybody else');
    t.ok(served.length < 64, `${served.length} calls`);
    t.equal(served.at(-1), TALK);
    t.equal(second.bytesIn, 1);
    t.ok(first.bytesIn > 65_536);
    bulk.queued = false;
    first.onEvents(bulk, false);
    t.equal(waiting.length, 2, 'and so on');
  });
}

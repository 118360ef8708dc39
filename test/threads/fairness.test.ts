import { register } from 'node:module';
import t from 'tap';
import { Peer } from '../../src/address.js';
import type { EpollConn } from '../../src/engines/epoll/conn.js';
import { isSupported } from '../../src/engines/epoll/libc.js';
import type { Loop } from '../../src/engines/epoll/loop.js';
import type { PipePool } from '../../src/engines/epoll/pipes.js';
import { BULK, served, TALK } from '../fixtures/endless-kernel.js';

const HERE = { skip: !isSupported() && 'the epoll engine is for Linux on x64 and arm64' };

register('../fixtures/endless-kernel-hook.js', import.meta.url);

async function endless(splices: boolean) {
  const { EpollRelay } = await import('../../src/engines/epoll/relay.js');
  served.length = 0;
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
      ...{
        finSent: false,
        deaf: false,
        leaving: false,
        closed: false,
        queued: false,
        fullReads: 0,
        spliced: 0,
      },
      ...{ pending: new Uint8Array(0), pipe: undefined, pipeBytes: 0 },
      takeHead: () => new Uint8Array(0),
    }) as unknown as EpollConn;
  const relay = (client: EpollConn) =>
    new EpollRelay(loop, pipes, client, conn(client.fd + 1), observer, false);
  return { relay, conn, waiting };
}

for (const splices of [false, true]) {
  const how = splices ? 'through a pipe' : 'by copying';
  t.test(`a connection that could go on for ever lets the others have their turn: ${how}`, HERE, async t => {
    const { relay, conn, waiting } = await endless(splices);
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

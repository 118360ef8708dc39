import { parentPort, workerData } from 'node:worker_threads';
import { EpollEngine } from '../engines/epoll/engine.js';
import { FdLedger } from '../engines/epoll/ledger.js';
import { wake } from '../engines/epoll/libc.js';
import { Lb4Error } from '../errors.js';
import { Incoming } from '../flow/incoming.js';
import type { Export } from '../flow/outgoing.js';
import { DataPlane, type Prepared } from '../flow/plane.js';
import { SharedTable } from '../pool/table.js';
import type { Answer, Delivery, Message, Numbered, ThreadInit } from './messages.js';
import { RecordWriter } from './records.js';
import { strategyLoader } from './strategies.js';

/** Records are posted when a batch is full, or at the end of a turn that comes so long after the last. */
const BATCH_MS = 10;
/** How often bytes of open connections are added to the totals. */
const SETTLE_MS = 1_000;

const init = workerData as ThreadInit;
const port = parentPort!;
const post = (message: Message): void => port.postMessage(message);

const engine = new EpollEngine({
  shared: init.threads > 1,
  ledger: new FdLedger(init.ledger, init.index),
  wakeFd: init.wakeFd,
});
const { loop } = engine;
const table = new SharedTable(init.table, init.index);

let recordsWanted = true;
const records = new RecordWriter();
let postedAt = 0;
let settledAt = 0;

const plane = new DataPlane(
  engine,
  table,
  {
    finished(record) {
      if (!recordsWanted) return;
      records.add(record);
      if (records.isFull) postRecords();
    },
    backendFailing: (slot, reason) => post({ type: 'backendFailing', slot, reason }),
    trouble: reason => post({ type: 'trouble', reason }),
  },
  strategyLoader(fault => post({ type: 'fault', fault: { ...fault, cause: String(fault.cause ?? '') } })),
  { ring: thread => wake(init.bells[thread]!) },
);
loop.onWrite(init.bells[init.index]!, () => plane.look());

/** The memory in an answer that need not be copied. */
function moved(answer: Answer): ArrayBuffer[] {
  if (answer.type !== 'exported') return [];
  const { fds, homes, records, states } = answer.given;
  return [fds, homes, ...[records, states].flatMap(pack => pack && [pack.numbers, pack.bytes, pack.starts])]
    .filter(array => array !== undefined)
    .map(({ buffer }) => buffer);
}

function postRecords(): void {
  if (records.count === 0) return;
  const batch = records.take();
  const message: Message = { type: 'records', batch };
  port.postMessage(message, [batch.numbers.buffer]);
  postedAt = loop.time;
}

loop.atEndOfTurn(() => {
  if (records.count > 0 && loop.time - postedAt >= BATCH_MS) postRecords();
  if (loop.time - settledAt >= SETTLE_MS) {
    settledAt = loop.time;
    plane.settle();
  }
});

let stopped = false;
/** Requests in hand: while there are any, Node's event loop gets turns as well (imports, promises). */
let busy = 0;
let prepared: Prepared | undefined;

/** What comes from another process; there until this one serves. */
let incoming: Incoming | undefined;
/** While it is frozen this thread looks at no descriptor. */
let frozen: Promise<void> | undefined;
let thaw = (): void => {};

function freeze(): Export {
  frozen = new Promise(resolve => {
    thaw = resolve;
  });
  loop.flush();
  return plane.outgoing.finish();
}

async function adopt(deliveries: readonly Delivery[]): Promise<Incoming> {
  // A thread on standby has no turns that would do so.
  loop.readClock();
  incoming ??= new Incoming(plane);
  for (const { source, from, share } of deliveries) await incoming.adopt(source, from, share);
  return incoming;
}

async function answer(request: Numbered): Promise<Answer> {
  switch (request.type) {
    case 'prepare':
      prepared = await plane.prepare(request.plan, request.inherited);
      return { type: 'prepared', bound: plane.bound(prepared) };
    case 'commit': {
      const taken = prepared!;
      prepared = undefined;
      const listening = await plane.commit(taken, request.plan);
      return { type: 'committed', listening };
    }
    case 'abandon':
      if (prepared !== undefined) await plane.abandon(prepared);
      prepared = undefined;
      break;
    case 'go':
      loop.readClock();
      incoming?.go();
      incoming = undefined;
      loop.readClock();
      // The answer first: whoever waits for it must not wait for all that has piled up.
      setImmediate(go);
      return { type: 'gone', at: loop.time };
    case 'copy':
      return { type: 'exported', given: plane.outgoing.copy(request.first, request.most) };
    case 'rehearse':
      return { type: 'exported', given: plane.outgoing.rehearse(request.most) };
    case 'freeze':
      return { type: 'exported', given: freeze() };
    case 'thaw':
      plane.outgoing.release();
      frozen = undefined;
      thaw();
      break;
    case 'adopt':
      await adopt(request.deliveries);
      break;
    case 'complete': {
      const all = await adopt(request.deliveries);
      for (const { source, from } of request.deliveries) all.complete(source, from);
      return { type: 'taken', taken: all.settle() };
    }
    case 'stopAccepting':
      await plane.stopAccepting(request.handedOver);
      break;
    case 'close':
      plane.close(request.slot, request.perSecond, request.reason);
      break;
    case 'list':
      return { type: 'listed', list: plane.list(request.query) };
    case 'end': {
      const { service, ids, reason, detail } = request;
      return { type: 'ended', count: plane.end(service, ids, reason, detail) };
    }
    case 'settle':
      plane.settle();
      break;
    case 'records':
      recordsWanted = request.wanted;
      break;
    case 'destroy':
      await plane.destroy(request.reason);
      stopped = true;
      break;
  }
  return { type: 'done' };
}

port.on('message', (request: Numbered) => {
  busy++;
  answer(request)
    .then(
      result => {
        postRecords();
        port.postMessage({ type: 'reply', id: request.id, answer: result } satisfies Message, moved(result));
      },
      (error: Error) => {
        const code = error instanceof Lb4Error ? error.code : '';
        post({ type: 'failed', id: request.id, code, message: error.message });
      },
    )
    .finally(() => {
      busy--;
    });
});

let go = (): void => {};
/** Until then Node's own event loop is the only one, and this thread looks at no descriptor. */
const standby = init.standby
  ? new Promise<void>(resolve => {
      go = resolve;
    })
  : undefined;

/** One turn of Node's own event loop: messages, imports, promises. */
const nodeTurn = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

async function serve(): Promise<void> {
  await standby;
  while (!stopped) {
    // Records must not wait for the next event.
    loop.turn(busy > 0 ? 0 : records.count > 0 ? BATCH_MS : SETTLE_MS);
    if (loop.woken || busy > 0) {
      loop.woken = false;
      await nodeTurn();
      await frozen;
    }
  }
  postRecords();
  port.close();
}

// Not a top-level await: from Node 24 on a worker gets no messages before its module is through.
setImmediate(() => {
  post({ type: 'ready' });
  void serve();
});

/**
 * UDP round trips through an echo on 127.0.0.1: node dist/scripts/bench/udp-load.js PORT FLOWS WINDOW TRIPS
 * Each flow is a socket that keeps WINDOW datagrams of 64 bytes under way; all answers that are there when it is looked at are
 * replaced in one go. Prints one line of JSON. A datagram that is not back within a second is counted as lost and replaced.
 */
import {
  EPOLL_CTL_ADD,
  EPOLL_EVENT,
  EPOLLIN,
  epollCreate,
  epollCtl,
  epollWait,
  MSG_DONTWAIT,
  mapMemory,
} from '../../src/engines/epoll/libc.js';
import { BATCH, Batch } from './udp-batch.js';
import { connectedSocket } from './udp-socket.js';

const SIZE = 64;
const LOST_AFTER_MS = 1_000;
const MAX_EVENTS = 64;

const [port, flowCount, window, wanted] = process.argv.slice(2).map(Number) as [
  number,
  number,
  number,
  number,
];
if (!(window <= BATCH)) throw new Error(`WINDOW: expected at most ${BATCH}, got ${window}`);

/** Latencies are counted in steps of 10 µs up to 1 s. */
const histogram = new Uint32Array(100_001);
const answers = new Batch(false);
const requests = new Batch(false);
for (let i = 0; i < BATCH; i++) requests.setLength(i, SIZE);
let done = 0;
let lost = 0;
let wrong = 0;

class Flow {
  private readonly socket = connectedSocket(port);
  /** When the datagram in each place of the window was sent, and its number. */
  private readonly sentAt = new Float64Array(window);
  private readonly serials = new Uint32Array(window);
  /** Requests that are ready to be sent. */
  private ready = 0;

  constructor(epoll: number, index: number) {
    const event = new Int32Array(4);
    event[0] = EPOLLIN;
    event[EPOLL_EVENT.data] = index;
    epollCtl(epoll, EPOLL_CTL_ADD, this.socket, new Uint8Array(event.buffer));
  }

  begin(now: number): void {
    for (let place = 0; place < window; place++) this.prepare(place, now);
    this.flush();
  }

  /** Take what is there and replace it. */
  answer(now: number): void {
    const count = answers.receive(this.socket, MSG_DONTWAIT);
    for (let i = 0; i < count; i++) {
      const at = answers.offset(i);
      const place = answers.data.getUint32(at, true);
      if (answers.length(i) !== SIZE || place >= window) wrong++;
      // Else it is an answer that was given up already.
      else if (answers.data.getUint32(at + 4, true) === this.serials[place]) {
        const step = Math.round((now - this.sentAt[place]!) * 100);
        histogram[Math.min(step, histogram.length - 1)]!++;
        if (++done < wanted) this.prepare(place, now);
      }
    }
    this.flush();
  }

  replaceLost(now: number): void {
    for (let place = 0; place < window; place++) {
      if (now - this.sentAt[place]! < LOST_AFTER_MS) continue;
      lost++;
      this.prepare(place, now);
    }
    this.flush();
  }

  private prepare(place: number, now: number): void {
    const at = requests.offset(this.ready++);
    requests.data.setUint32(at, place, true);
    requests.data.setUint32(at + 4, ++this.serials[place]!, true);
    this.sentAt[place] = now;
  }

  private flush(): void {
    if (this.ready > 0) requests.send(this.socket, this.ready);
    this.ready = 0;
  }
}

function percentile(share: number): number {
  let rest = Math.ceil(done * share);
  for (let i = 0; i < histogram.length; i++) {
    rest -= histogram[i]!;
    if (rest <= 0) return i / 100;
  }
  return Number.NaN;
}

const epoll = epollCreate(0);
const { address, memory } = mapMemory(MAX_EVENTS * 16);
const events = new Int32Array(memory);
const flows = Array.from({ length: flowCount }, (_, index) => new Flow(epoll, index));
const start = performance.now();
for (const flow of flows) flow.begin(start);
let sweepAt = start + LOST_AFTER_MS / 4;
while (done < wanted) {
  const count = epollWait(epoll, address, MAX_EVENTS, LOST_AFTER_MS / 4);
  const now = performance.now();
  for (let i = 0; i < count; i++)
    flows[events[i * EPOLL_EVENT.words + EPOLL_EVENT.data]!]!.answer(performance.now());
  if (now < sweepAt) continue;
  sweepAt = now + LOST_AFTER_MS / 4;
  for (const flow of flows) flow.replaceLost(now);
}
const seconds = (performance.now() - start) / 1000;
console.log(
  JSON.stringify({ trips: done, seconds, lost, wrong, p50: percentile(0.5), p99: percentile(0.99) }),
);

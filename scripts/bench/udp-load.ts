/**
 * UDP round trips through an echo: node dist/scripts/bench/udp-load.js HOST PORT FLOWS WINDOW TRIPS
 * Each flow is a socket that keeps WINDOW datagrams of 64 bytes under way. Prints one line of JSON. A datagram that is not
 * back within a second is counted as lost and replaced.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

const SIZE = 64;
const LOST_AFTER_MS = 1_000;

const [host, port, flowCount, window, wanted] = [process.argv[2]!, ...process.argv.slice(3).map(Number)] as [
  string,
  number,
  number,
  number,
  number,
];

/** Latencies are counted in steps of 10 µs up to 1 s. */
const histogram = new Uint32Array(100_001);
let done = 0;
let lost = 0;
let wrong = 0;
let finish = () => {};
const finished = new Promise<void>(resolve => {
  finish = resolve;
});

class Flow {
  private readonly socket: Socket = createSocket('udp4');
  /** When the datagram in each place of the window was sent. */
  private readonly sentAt = new Float64Array(window);
  private readonly serials = new Uint32Array(window);
  private readonly slots: Buffer[] = Array.from({ length: window }, () => Buffer.alloc(SIZE));

  async open(): Promise<void> {
    this.socket.connect(port, host);
    await once(this.socket, 'connect');
    this.socket.setRecvBufferSize(1 << 20);
    this.socket.on('message', data => this.received(data));
    this.socket.on('error', () => {});
  }

  send(place: number): void {
    const data = this.slots[place]!;
    data.writeUInt32LE(place, 0);
    data.writeUInt32LE(++this.serials[place]!, 4);
    this.sentAt[place] = performance.now();
    this.socket.send(data, ignore);
  }

  received(data: Buffer): void {
    const place = data.readUInt32LE(0);
    if (data.length !== SIZE || place >= window) wrong++;
    // An answer that was given up already.
    else if (data.readUInt32LE(4) === this.serials[place]) {
      const step = Math.round((performance.now() - this.sentAt[place]!) * 100);
      histogram[Math.min(step, histogram.length - 1)]!++;
      if (++done === wanted) finish();
      else if (done < wanted) this.send(place);
    }
  }

  replaceLost(now: number): void {
    for (let place = 0; place < window; place++) {
      if (now - this.sentAt[place]! < LOST_AFTER_MS) continue;
      lost++;
      this.send(place);
    }
  }

  close(): void {
    this.socket.close();
  }
}

function ignore(): void {}

function percentile(share: number): number {
  let rest = Math.ceil(done * share);
  for (let i = 0; i < histogram.length; i++) {
    rest -= histogram[i]!;
    if (rest <= 0) return i / 100;
  }
  return Number.NaN;
}

const flows = Array.from({ length: flowCount }, () => new Flow());
await Promise.all(flows.map(flow => flow.open()));
const start = performance.now();
for (let place = 0; place < window; place++) for (const flow of flows) flow.send(place);
const sweep = setInterval(() => {
  for (const flow of flows) flow.replaceLost(performance.now());
}, LOST_AFTER_MS / 4);
await finished;
const seconds = (performance.now() - start) / 1000;
clearInterval(sweep);
for (const flow of flows) flow.close();
console.log(
  JSON.stringify({ trips: done, seconds, lost, wrong, p50: percentile(0.5), p99: percentile(0.99) }),
);

/** Datagrams from 10.0.0.1, 10.0.0.2 and so on, none of whom has sent any: in a network namespace only. */
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { AF_INET, connect, errno, send, socket, systemError } from '../../../src/engines/epoll/libc.js';
import { rawDatagram } from '../datagram.js';
import type { FloodTask } from '../flood.js';
import { stepBack } from '../priority.js';

const SOCK_RAW = 3;
/** What is sent has its IP header with it. */
const IPPROTO_RAW = 255;
const BATCH = 100;
const FIRST = 0x0a000001;
const SOURCES = 0xfffffe;
const LOOPBACK = 0x7f000001;

const { ports, amount, perSecond, small } = workerData as FloodTask;
if (!small) stepBack();
const fd = check(socket(AF_INET, SOCK_RAW, IPPROTO_RAW));
const address = Buffer.alloc(16);
address.writeUInt16LE(AF_INET, 0);
address.writeUInt32BE(LOOPBACK, 4);
check(connect(fd, address, address.length));

const datagram = rawDatagram(LOOPBACK, ports.good, Buffer.from('from nobody'));
let sent = 0;
let failed = 0;
const began = performance.now();
while (sent + failed < amount) {
  for (let i = 0; i < BATCH; i++) {
    const n = sent + failed;
    datagram.setSource(FIRST + (n % SOURCES), 1_024 + (n % 60_000));
    if (send(fd, datagram.bytes, datagram.bytes.length, 0) < 0) failed++;
    else sent++;
  }
  const ahead = began + (1_000 * (sent + failed)) / perSecond - performance.now();
  if (ahead > 0) await sleep(ahead);
}
parentPort!.postMessage({ sent, failed });

function check(result: number): number {
  if (result < 0) throw systemError(errno());
  return result;
}

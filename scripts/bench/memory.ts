/**
 * What an idle relayed connection costs a balancer in memory of its own (not the kernel's: sockets cost the same in front of
 * everybody). After a build: node dist/scripts/bench/memory.js [--connections 5000] [--candidates LIST] [--json FILE]
 */
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { CANDIDATES, type Candidate } from './candidates.js';
import { endAll, run, untilAccepting } from './processes.js';
import { Backends, type Place } from './site.js';

/** Short connections that bring every candidate, compilers and allocators included, to its working size first. */
const WARM_UP = ['-t', 'get', '-k', '0', '-c', '20', '-n', '30000', '--csv'];
const ROUNDS = 3;
/** Connections made at the same time. */
const WAVE = 100;

interface Result {
  readonly candidate: string;
  readonly connections: number;
  /** Bytes of anonymous memory: when nothing is connected, and more of it with each idle connection, round by round. */
  readonly empty: number;
  readonly each: readonly number[];
}

const { values } = parseArgs({
  options: {
    connections: { type: 'string', default: '5000' },
    candidates: { type: 'string', default: CANDIDATES.map(({ name }) => name).join(',') },
    json: { type: 'string' },
  },
});
const count = Number(values.connections);
if (!(Number.isInteger(count) && count > 0)) {
  throw new Error(`--connections: expected a whole number from 1 up, got "${values.connections}"`);
}
const wanted = values.candidates.split(',');
const unknown = wanted.find(name => !CANDIDATES.some(each => each.name === name));
if (unknown !== undefined) {
  const known = CANDIDATES.map(({ name }) => name).join(', ');
  throw new Error(`--candidates: expected some of ${known}, got "${unknown}"`);
}

process.on('exit', endAll);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const backends = await Backends.start(undefined);
const results: Result[] = [];
console.log(`bytes of user memory for each of ${count} idle connections, ${ROUNDS} rounds after a warm-up`);
for (const [index, candidate] of CANDIDATES.entries()) {
  if (!wanted.includes(candidate.name)) continue;
  const missing = candidate.missing();
  if (missing !== undefined) {
    console.log(`${candidate.title.padEnd(12)} ${missing}`);
    continue;
  }
  const result = await measure(candidate, index);
  results.push(result);
  const mib = (result.empty / 1024 ** 2).toFixed(1);
  console.log(
    `${candidate.title.padEnd(12)} ${result.each.map(bytes => bytes.toFixed(0).padStart(7)).join('')}   (${mib} MiB without any)`,
  );
}
await backends.stop();
if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(results, undefined, 2)}\n`);

async function measure(candidate: Candidate, index: number): Promise<Result> {
  const site = await backends.site(index, undefined);
  const balancer = await candidate.start(site, 1);
  try {
    const at = site.listen.redis;
    await untilAccepting(balancer, at.host, at.port);
    await run(undefined, 'redis-benchmark', ['-h', at.host, '-p', String(at.port), ...WARM_UP]);
    const empty = await settled(balancer.pid);
    const each: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const before = await settled(balancer.pid);
      const sockets = await open(at);
      each.push(((await settled(balancer.pid)) - before) / count);
      for (const socket of sockets) socket.destroy();
    }
    return { candidate: candidate.name, connections: count, empty, each };
  } finally {
    await balancer.stop();
  }
}

/** Connections that have carried a request and its answer each. */
async function open(at: Place): Promise<Socket[]> {
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    const wave = Array.from({ length: Math.min(WAVE, count - sockets.length) }, async () => {
      const socket = connect(at.port, at.host);
      socket.write('PING\r\n');
      await once(socket, 'data');
      return socket;
    });
    sockets.push(...(await Promise.all(wave)));
  }
  return sockets;
}

/** Anonymous memory of a process and its children, once it stands still. */
async function settled(pid: number): Promise<number> {
  let last = -1;
  for (let same = 0; same < 4; ) {
    await sleep(500);
    const now = anonymous(pid);
    same = now === last ? same + 1 : 0;
    last = now;
  }
  return last;
}

function anonymous(pid: number): number {
  let kilobytes = 0;
  for (const process of [pid, ...children(pid)]) {
    const status = readFileSync(`/proc/${process}/status`, 'utf8');
    kilobytes += Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1] ?? 0);
  }
  return kilobytes * 1024;
}

function children(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap(task =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
}

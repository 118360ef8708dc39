import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { onLoopback, Relays } from '../../test/fixtures/hand-over.js';
import { median } from './statistics.js';

/**
 * How long connections stand still while they go from one set of data-plane threads to the next: node dist/scripts/bench/hand-over.js
 * [connections] [threads] [rounds] [busy]. Clients and backend are another process; `busy` of the connections ask for an echo
 * all the time, and the longest answer is what they saw.
 */
const [connections = 1_000, threads = 2, rounds = 10, busy = 20] = process.argv.slice(2).map(Number);

/** The process with the backend and the clients. */
async function load(): Promise<void> {
  const server = createServer({ noDelay: true }, socket => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 });
  await once(server, 'listening');
  process.send!((server.address() as AddressInfo).port);
  const [port] = (await once(process, 'message')) as [number];
  const sockets: Socket[] = [];
  let longest = 0;
  for (let i = 0; i < connections; i++) {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    sockets.push(socket);
    socket.on('error', error => process.send!(error.message));
    if (i < busy) {
      let asked = performance.now();
      socket.on('data', () => {
        longest = Math.max(longest, performance.now() - asked);
        asked = performance.now();
        socket.write('x');
      });
    }
    await once(socket, 'connect');
    socket.write('x');
    if (i >= busy) await once(socket, 'data');
  }
  process.send!('ready');
  process.on('message', () => {
    process.send!(longest);
    longest = 0;
  });
}

async function ask(child: ChildProcess, message: unknown): Promise<unknown> {
  const answer = once(child, 'message');
  child.send(message as object);
  return (await answer)[0];
}

async function measure(): Promise<void> {
  const child = fork(fileURLToPath(import.meta.url), process.argv.slice(2), {
    env: { ...process.env, HAND_OVER_LOAD: '1' },
  });
  const [backend] = (await once(child, 'message')) as [number];
  const closing: (() => unknown)[] = [];
  const relays = await Relays.start({ teardown: (run: () => unknown) => closing.push(run) }, threads, {
    backends: [onLoopback(backend)],
  });
  console.log(await ask(child, relays.port));
  await ask(child, '');
  const all = new Map<string, number[]>();
  for (let round = 0; round < rounds; round++) {
    const { connections, copyMs, freezeMs, carryMs, completeMs, goMs } = await relays.handOver(threads);
    if (connections < relays.active()) throw new Error(`${connections} connections kept`);
    await new Promise(resolve => setTimeout(resolve, 500));
    const seen = (await ask(child, '')) as number;
    const stopped = freezeMs + carryMs + completeMs + goMs;
    const times = { copyMs, freezeMs, carryMs, completeMs, goMs, stopped, seen };
    for (const [name, ms] of Object.entries(times)) all.set(name, [...(all.get(name) ?? []), ms]);
  }
  console.log(`${connections} connections, ${threads} threads, ${rounds} rounds: median (least, most), ms`);
  for (const [name, list] of all)
    console.log(
      `${name.padEnd(12)}${median(list)!.toFixed(2)} (${Math.min(...list).toFixed(2)}, ${Math.max(...list).toFixed(2)})`,
    );
  child.kill();
  for (const close of closing) await close();
}

await (process.env.HAND_OVER_LOAD ? load() : measure());

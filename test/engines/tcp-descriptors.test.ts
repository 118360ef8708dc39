import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { backend, echo } from '../fixtures/backends.js';
import { oneService } from '../fixtures/balancer.js';
import { client } from '../fixtures/clients.js';
import type { TestPeer } from '../fixtures/peer.js';
import { cpuMs, descriptors } from '../fixtures/process.js';
import { startProgram } from '../fixtures/program.js';
import { until } from '../fixtures/until.js';

const FLOWS = 20;
const WATCH_MS = 2_000;

/** One byte there and back. */
async function alive(peer: TestPeer): Promise<boolean> {
  const before = peer.received;
  await peer.write('x');
  await peer.reads(before + 1);
  return true;
}

for (const [how, runtime] of [
  ['the derived max_connections holds the rest back', {}],
  ['a max_connections that is far too large does not help', { max_connections: 100_000 }],
] as const) {
  t.test(`out of descriptors: ${how}`, async t => {
    const server = await backend(t, echo);
    const lb = await startProgram(t, oneService({ backends: [server.address] }, runtime), {
      shell: 'ulimit -n 128;',
    });
    const atStart = descriptors(lb.pid);
    const flows = Array.from({ length: FLOWS }, () => client(t, lb.port()));
    for (const flow of flows) await alive(flow);

    const flood = Array.from({ length: 200 }, () => client(t, lb.port()));
    for (const peer of flood) peer.socket.write('x');
    await lb.log.line(/descriptors|max_connections|waiting/);
    // Once those who are turned away are gone, nothing more happens: then it must be quiet.
    let settled = -1;
    await until('the flood to settle', async () => {
      const then = settled;
      settled = flood.filter(({ closed, received }) => closed || received > 0).length;
      await sleep(300);
      return then === settled;
    });
    const cpuBefore = cpuMs(lb.pid);
    const until_ = Date.now() + WATCH_MS;
    while (Date.now() < until_) {
      for (const flow of flows) t.ok(await alive(flow), 'an existing flow lives');
      await sleep(200);
    }
    const used = cpuMs(lb.pid) - cpuBefore;
    t.ok(used < 0.4 * WATCH_MS, `${used} ms of CPU in ${WATCH_MS} ms`);
    t.equal(lb.exit, undefined, lb.stderr);
    const warnings = lb.log.all.filter(
      ({ level, msg }) => level === 40 && /accepting|connecting|max_conn/.test(msg),
    );
    t.ok(warnings.length >= 1 && warnings.length <= 4, warnings.map(({ msg }) => msg).join('\n'));

    for (const peer of flood) peer.socket.destroy();
    await until('recovery', async () => {
      const peer = client(t, lb.port());
      peer.socket.write('?');
      await Promise.race([peer.reads(1).catch(() => {}), peer.end().catch(() => {})]);
      const served = peer.received === 1;
      peer.socket.destroy();
      return served;
    });
    for (const flow of flows) t.ok(await alive(flow), 'an existing flow lives on');
    for (const flow of flows) flow.socket.destroy();
    await until('every descriptor is given back', () => descriptors(lb.pid) <= atStart);
  });
}

import t, { type Test } from 'tap';
import { Actor, PARTS } from '../fixtures/actors.js';
import { backend } from '../fixtures/backends.js';
import { ENGINE } from '../fixtures/balancer.js';
import { client } from '../fixtures/clients.js';
import { Lab, LONG } from '../fixtures/lab.js';
import type { ConnectionLine } from '../fixtures/records.js';
import { until } from '../fixtures/until.js';

/** How often each part meets each other part. */
const ROUNDS = LONG ? 20 : 2;
const NAMES = Object.keys(PARTS);
/** The header that tells a backend whose connection it has. */
const HEADER = /^PROXY TCP4 (\S+) \S+ \d+ \d+\r\n/;
const RUDE = new Set(['resets at once', 'resets somewhere', 'reads nothing']);
/** Node reports a reset as FIN where it comes right behind bytes on a socket that has said FIN itself. */
const BLIND = ENGINE === 'net';
const CLEAN = new Set(['client_closed', 'backend_closed']);

/** A backend that plays a part, and who it met. */
async function stage(t: Test, part: string): Promise<{ address: string; met: Map<string, Actor> }> {
  const met = new Map<string, Actor>();
  const server = await backend(t, peer => {
    const actor = new Actor(peer, ((server.peers.length * 7919) % 1000) / 1000);
    peer.socket.on('data', () => {
      if (actor.preface > 0) return;
      const header = HEADER.exec(peer.text);
      if (header === null) return;
      actor.preface = header[0].length;
      met.set(header[1]!, actor);
    });
    void actor.play(PARTS[part]!);
  });
  return { address: server.address, met };
}

/** What one connection's books say that cannot be, in words. `isRude`: the backend, which may have left before it knew whose connection it was. */
function faults(line: ConnectionLine, near: Actor, far: Actor | undefined, isRude: boolean): string[] {
  const found: string[] = [];
  const check = (holds: boolean, what: string): void => {
    if (!holds) found.push(what);
  };
  const { bytes_in, bytes_out, reason } = line;
  check(near.isIntact, 'the client heard something that was not said');
  check(bytes_in <= near.said, `bytes_in ${bytes_in} of ${near.said} said`);
  check(near.heard <= bytes_out, `bytes_out ${bytes_out}, ${near.heard} heard`);
  if (far !== undefined) {
    check(far.isIntact, 'the backend heard something that was not said');
    check(far.heard <= bytes_in, `bytes_in ${bytes_in}, ${far.heard} heard`);
    check(bytes_out <= far.said, `bytes_out ${bytes_out} of ${far.said} said`);
  }
  const isServed = line.connect_ms !== null;
  // What somebody who does not read had in front of them nobody can know.
  const isDeaf = far?.isDeaf ?? isRude;
  const toBackend = bytes_in === near.said && (!isServed || isDeaf || far?.heard === bytes_in);
  const toClient =
    (near.isDeaf || near.heard === bytes_out) && (!isServed || far === undefined || far.said === bytes_out);
  const why = `${reason} ${line.detail ?? ''}`;
  if (near.rude || isRude) {
    // Who breaks off, or closes without reading, does not get what is still to come.
    check(toBackend || BLIND || /reset|backend_closed/.test(why), `bytes to the backend are missing: ${why}`);
    check(toClient || BLIND || /reset|client_closed/.test(why), `bytes to the client are missing: ${why}`);
  } else {
    check(toBackend && toClient, 'nobody was rude, and bytes are missing');
    check(CLEAN.has(reason), `nobody was rude: ${why}`);
    if (isServed) check(near.peer.ending === 'FIN' && far?.peer.ending === 'FIN', 'an end without FIN');
  }
  return found;
}

t.test(
  `${NAMES.length} kinds of clients meet ${NAMES.length} kinds of backends, ${ROUNDS} times each`,
  async t => {
    const stages = await Promise.all(NAMES.map(name => stage(t, name)));
    const services = stages.map(({ address }, i) => [
      `s${i}`,
      {
        listen: '127.0.0.1:0',
        backends: [address],
        health: { kind: 'none', passive_failures: 0 },
        proxy_protocol: { send: 'v1' },
      },
    ]);
    const lab = await Lab.start(t, Object.fromEntries(services));
    const played: { near: Actor; from: string; title: string; scene: number }[] = [];
    const waves: Promise<void>[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      for (const name of NAMES) {
        for (const scene of NAMES.keys()) {
          const n = played.length;
          const from = `127.1.${n >> 8}.${n & 255}`;
          const near = new Actor(client(t, lab.port(`s${scene}`), { from }), ((n * 7877) % 1000) / 1000);
          played.push({ near, from, scene, title: `client ${name}, backend ${NAMES[scene]}` });
          waves.push(near.play(PARTS[name]!));
        }
      }
      await Promise.all(waves.splice(0));
    }
    await until('every backend has played its part', () =>
      stages.every(({ met }) => [...met.values()].every(({ over }) => over)),
    );
    // Who resets at once may be gone before it could be accepted.
    const hasty = played.filter(({ near }) => near.rude && near.peer.received === 0);
    await lab.audit(t, played.length - hasty.length, played.length);
    const lines = new Map(lab.log.connections.map(line => [line.client.replace(/:\d+$/, ''), line]));
    t.equal(lines.size, lab.log.connections.length, 'one line each');
    for (const one of played) {
      const line = lines.get(one.from);
      if (line === undefined) {
        t.ok(hasty.includes(one), `${one.title}: no line`);
        continue;
      }
      const far = stages[one.scene]!.met.get(one.from);
      const wrong = faults(line, one.near, far, RUDE.has(NAMES[one.scene]!));
      if (wrong.length > 0) {
        const { bytes_in, bytes_out, reason, detail, connect_ms } = line;
        const book = (actor?: Actor) =>
          actor && { said: actor.said, heard: actor.heard, ending: actor.peer.ending, rude: actor.rude };
        t.fail(`${one.title}: ${wrong.join('; ')}`, {
          line: { bytes_in, bytes_out, reason, detail, connect_ms },
          client: book(one.near),
          backend: book(far),
        });
      }
    }
    t.pass(`${played.length} connections add up`);
  },
);

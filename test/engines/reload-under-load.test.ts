import { join } from 'node:path';
import t from 'tap';
import type { ConfigInput } from '../../src/config/schema.js';
import { api } from '../fixtures/api.js';
import { backend, echo } from '../fixtures/backends.js';
import { config, ENGINE } from '../fixtures/balancer.js';
import { ask, client } from '../fixtures/clients.js';
import { folder, Program, writeConfig } from '../fixtures/program.js';

const ROUNDS = 100;
const LOADERS = 6;
const HELD = 20;

type Service = ConfigInput['services'][string];

/** One change after the other, round and round, each with what a reload has to say about it. */
function* changes(
  addresses: readonly string[],
): Generator<{ services: ConfigInput['services']; says: string[] }> {
  const main = {
    listen: '127.0.0.1:0',
    strategy: 'round-robin',
    backends: addresses,
    health: { kind: 'none' },
  };
  const side = { ...main, backends: [addresses[0]!] } as Service;
  let service = main as Service;
  let hasSide = false;
  const state = (...says: string[]) => ({ services: { main: service, ...(hasSide && { side }) }, says });
  const with_ = (next: Partial<Service>, says: string) => {
    service = { ...service, ...next };
    return state(`service main: ${says}`);
  };
  yield state();
  for (let round = 0; ; round++) {
    const one = addresses[round % addresses.length]!;
    const others = addresses.filter(address => address !== one);
    yield with_({ backends: others }, `backends removed (draining) ${one}`);
    yield with_({ backends: [...others, one] }, `backends added ${one}`);
    yield with_({ backends: [...others, `${one} weight=${2 + round}`] }, `backends changed ${one}`);
    yield with_({ strategy: round % 2 ? 'round-robin' : 'maglev' }, 'settings changed strategy');
    yield with_({ timeouts: { idle: `${2 + round}h` } }, 'settings changed timeouts.idle');
    hasSide = true;
    yield state('service side: added', 'unchanged: main');
    hasSide = false;
    yield state('service side: removed, its connections drain', 'unchanged: main');
    yield with_({ backends: [...others, one] }, `backends changed ${one}`);
    yield state('nothing changed');
  }
}

t.test(
  `${ROUNDS} reloads under load: no connect fails, held connections live, each diff is right`,
  async t => {
    const list = await Promise.all([1, 2, 3, 4].map(() => backend(t, echo)));
    const dir = folder(t);
    const path = join(dir, 'lb4.toml');
    const admin = { listen: `unix:${join(dir, 'a.sock')}` };
    const rounds = changes(list.map(({ address }) => address));
    const write = ({ services }: { services: ConfigInput['services'] }) => {
      const runtime = { drain_timeout: '1h', ...(ENGINE === 'epoll' && { threads: 2 }) };
      writeConfig(path, { ...config(services, runtime), admin, log: { connections: false } });
    };
    write(rounds.next().value);
    const lb = await new Program(t, ['-c', path]).ready();
    const port = lb.port();
    const held = Array.from({ length: HELD }, () => client(t, port));
    for (const peer of held) await peer.write('0');
    for (const peer of held) await peer.reads(1);

    let going = true;
    let served = 0;
    const failed: string[] = [];
    const loaders = Array.from({ length: LOADERS }, async () => {
      while (going) {
        const answer = await ask(t, port, 'ping').catch(error => String(error));
        if (answer === 'ping') served++;
        else failed.push(answer);
      }
    });
    const call = api(admin.listen);
    const wrong: unknown[] = [];
    for (let round = 1; round <= ROUNDS; round++) {
      const next = rounds.next().value;
      write(next);
      const { status, json } = await call('POST', '/reload');
      const isRight = status === 200 && JSON.stringify(json.changes) === JSON.stringify(next.says);
      if (!isRight || json.kept < HELD) wrong.push({ round, status, json, expected: next.says });
      for (const peer of held) await peer.write('x');
    }
    going = false;
    await Promise.all(loaders);
    t.strictSame(wrong, [], 'each answer says what changed, and nothing else');
    t.strictSame(failed, []);
    t.ok(served >= ROUNDS, `${served} connections were served meanwhile`);
    const whole = `0${'x'.repeat(ROUNDS)}`;
    for (const peer of held) await peer.reads(whole.length);
    t.ok(
      held.every(peer => peer.text === whole && !peer.closed),
      `${HELD} held connections answer through all of it`,
    );
    const reloads = lb.log.all.filter(({ msg }) => msg === 'reloaded');
    t.equal(reloads.length, ROUNDS, 'one line each');
  },
);

import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { Actor, PARTS, type Part } from '../fixtures/actors.js';
import { backend, echo } from '../fixtures/backends.js';
import { ENGINE } from '../fixtures/balancer.js';
import { client } from '../fixtures/clients.js';
import { Lab, LONG } from '../fixtures/lab.js';
import { FAR, Link, NEAR, type Weather } from '../fixtures/link.js';
import { scrape } from '../fixtures/metrics.js';
import { echoes, udpBackend, udpPeer } from '../fixtures/udp.js';
import { until } from '../fixtures/until.js';

const CLIENTS = LONG ? 60 : 4;
/** What the backend says. */
const SAYS = LONG ? 700_000 : 200_000;
const WEATHERS: Readonly<Record<string, Weather>> = {
  'delay of 10 ms': { delayMs: 10 },
  reordering: { delayMs: 2, jitterMs: 12 },
  'loss of 3 %': { loss: 0.03 },
  'all of it, and packets that come twice': { delayMs: 3, jitterMs: 8, loss: 0.02, duplicates: 0.03 },
};
const SCENES = ['says something and closes', 'says much and closes', 'closes half and listens', 'trickles'];

const sayMuch: Part = self => {
  self.say(SAYS);
  self.finish();
};

/** Every kind of client talks to a backend that says much; all of it must come through. */
async function talk(t: Test, lab: Lab, port: number, host: string, whileTalking = async () => {}) {
  const actors = Array.from({ length: CLIENTS }, () => new Actor(client(t, { host, port }), 0));
  const plays = actors.map((actor, i) => actor.play(PARTS[SCENES[i % SCENES.length]!]!));
  await whileTalking();
  await Promise.all(plays);
  for (const { heard, isIntact, peer } of actors) {
    t.ok(isIntact && heard === SAYS && peer.ending === 'FIN', `${heard} bytes, ${peer.ending}`);
  }
  await lab.audit(t, CLIENTS);
  const lines = lab.log.connections;
  t.ok(
    lines.every(({ reason }) => /^(client|backend)_closed$/.test(reason)),
    lines.map(({ reason }) => reason).join(' '),
  );
}

const link = await Link.open(t);

for (const [name, weather] of Object.entries(WEATHERS)) {
  t.test(`TCP, both ends of lb4 on a link with ${name}: every byte comes through`, async t => {
    const server = await backend(t, peer => void new Actor(peer, 0).play(sayMuch), {
      host: NEAR,
    });
    const services = {
      main: {
        listen: `${NEAR}:0`,
        backends: [`${FAR}:${server.port}`],
        health: { kind: 'none' as const },
        timeouts: { connect: '20s' },
      },
    };
    const lab = await Lab.start(t, services);
    await link.weather(weather);
    await talk(t, lab, lab.port(), FAR);
    const counts = await link.weather({});
    t.ok(counts.passed > 500, `${counts.passed} packets`);
    if (weather.loss !== undefined) t.ok(counts.lost > 0, `${counts.lost} were lost`);
    if (weather.jitterMs !== undefined) t.ok(counts.overtook > 0, `${counts.overtook} overtook others`);
  });
}

t.test('the link is cut for a second and a half: connections stand still and then go on', async t => {
  const server = await backend(t, peer => void new Actor(peer, 0).play(sayMuch), {
    host: NEAR,
  });
  const services = {
    main: { listen: `${NEAR}:0`, backends: [`${FAR}:${server.port}`], health: { kind: 'none' as const } },
  };
  const lab = await Lab.start(t, services);
  await link.weather({ delayMs: 20 });
  await talk(t, lab, lab.port(), FAR, async () => {
    await until('all are connected', () => server.peers.length === CLIENTS);
    await link.weather({ cut: true });
    await sleep(1_500);
    const { lost } = await link.weather({ delayMs: 1 });
    t.ok(lost > 0, `${lost} packets were lost`);
  });
});

t.test('the link to a backend is cut for good: it goes down, others serve, its connections end', async t => {
  const lost = await backend(t, echo, { host: NEAR });
  const good = await backend(t, echo);
  const services = {
    main: {
      listen: '127.0.0.1:0',
      backends: [`${FAR}:${lost.port}`, good.address],
      strategy: 'first' as const,
      health: { kind: 'tcp' as const, interval: '100ms', timeout: '300ms', on_down: 'close' as const },
      timeouts: { connect: '500ms' },
    },
  };
  const lab = await Lab.start(t, services);
  await link.weather({});
  const held = Array.from({ length: 5 }, () => client(t, lab.port()));
  for (const peer of held) {
    await peer.write('x');
    await peer.reads(1);
  }
  t.equal(lost.peers.filter(({ received }) => received > 0).length, 5);
  await link.weather({ cut: true });
  // Before the checks notice: a dial that times out is tried elsewhere, and nothing is lost.
  const early = client(t, lab.port());
  early.finish('early');
  await early.end();
  t.equal(early.text, 'early');
  await Promise.all(held.map(peer => peer.end()));
  const lines = await lab.log.finished(6);
  t.equal(lines.filter(({ reason }) => reason === 'backend_down').length, 5);
  await lab.audit(t, 6);
  await link.weather({});
  await until('it is up again', async () => (await lab.status()).services[0]!.backends[0]!.state === 'up');
});

t.test(
  'a client that vanishes is noticed by user_timeout',
  { skip: ENGINE === 'net' && 'Node cannot set TCP_USER_TIMEOUT' },
  async t => {
    const server = await backend(t, ({ socket }) => socket.on('data', () => socket.write('y'.repeat(1000))));
    const services = {
      main: {
        listen: `${NEAR}:0`,
        backends: [server.address],
        health: { kind: 'none' as const },
        socket: { user_timeout: '1s' },
      },
    };
    const lab = await Lab.start(t, services);
    await link.weather({ delayMs: 50 });
    const peer = client(t, { host: FAR, port: lab.port() });
    await peer.write('x');
    await peer.reads(1000);
    await peer.write('x');
    await until('it is with the backend', () => server.peers[0]!.received === 2);
    await link.weather({ cut: true });
    const [line] = await lab.log.finished(1);
    t.match(line, { reason: 'client_reset', bytes_in: 2 });
    await lab.audit(t, 1);
    await link.weather({});
  },
);

t.test('UDP: what the link loses is lost, and nothing else', async t => {
  const server = await udpBackend(t, echoes, { host: NEAR });
  const services = {
    main: {
      listen: '127.0.0.1:0',
      protocol: 'udp' as const,
      backends: [`${FAR}:${server.port}`],
      health: { kind: 'none' as const },
    },
  };
  const lab = await Lab.start(t, services);
  await link.weather({ delayMs: 1, jitterMs: 5, loss: 0.05 });
  const peer = await udpPeer(t);
  const SENT = 500;
  for (let i = 0; i < SENT; i++) {
    await peer.send(`datagram ${i} ${'z'.repeat(i)}`, lab.port());
    if (i % 50 === 49) await sleep(10);
  }
  let before = -1;
  await until('no more comes', async () => {
    const same = before === peer.received.length;
    before = peer.received.length;
    await sleep(150);
    return same;
  });
  const { lost, overtook } = await link.weather({});
  t.ok(lost > 0 && overtook > 0, `${lost} lost, ${overtook} overtook others`);
  const texts = peer.received.map(({ text }) => text);
  t.equal(new Set(texts).size, texts.length, 'none twice');
  t.ok(
    texts.every(text => /^datagram (\d+) z*$/.test(text) && text.length >= 11),
    'none merged or cut',
  );
  const page = await scrape(lab);
  t.equal(page.sum('lb4_datagrams_received_total'), SENT);
  t.equal(page.sum('lb4_datagrams_sent_total'), texts.length);
  t.equal(SENT - texts.length, lost, 'each that is missing was lost on the link');
});

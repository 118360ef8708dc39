import t from 'tap';
import { backend, echo, sink } from '../fixtures/backends.js';
import { oneService, startBalancer } from '../fixtures/balancer.js';
import { noise, sha } from '../fixtures/bytes.js';
import { client } from '../fixtures/clients.js';
import { holds, until } from '../fixtures/until.js';

const BYTES = 100_000;
const DATA = noise(BYTES);

for (const pace of ['fast', 'slow'] as const) {
  t.test(`the backend resets after 100 kB, the client reads ${pace}`, async t => {
    const server = await backend(t, peer => peer.write(DATA));
    const lb = await startBalancer(t, oneService({ backends: [server.address] }));
    const peer = client(t, lb.port(), { paused: pace === 'slow' });
    // A reset drops what its own kernel has not sent: so not before lb4 has it all.
    await until('lb4 has the bytes', () => lb.service().backends[0]!.bytes_out === BYTES);
    server.peers[0]!.reset();
    if (pace === 'slow') {
      await holds('the client reads nothing yet', () => peer.received === 0, 300);
      peer.socket.resume();
    }
    t.equal(await peer.end(), 'RST');
    t.equal(peer.received, BYTES);
    t.equal(peer.sha, sha(DATA));
    t.match(await lb.log.only(), { bytes_out: BYTES, reason: 'backend_reset' });
    t.equal(lb.service().active, 0);
  });
}

t.test('bytes and a reset that arrive in one go, either way', async t => {
  const few = noise(30_000, 11);
  const server = await backend(t, sink);
  const lb = await startBalancer(t, oneService({ backends: [server.address] }));
  for (let i = 0; i < 20; i++) {
    const peer = client(t, lb.port());
    const there = await until('connected', () => server.peers[i]);
    const [sender, receiver] = i % 2 === 0 ? [there, peer] : [peer, there];
    sender.socket.write(few);
    sender.reset();
    t.equal(await receiver.end(), 'RST');
    t.equal(receiver.sha, sha(few), `${receiver.received} bytes`);
    const line = (await lb.log.finished(i + 1))[i]!;
    t.equal(line.reason, i % 2 === 0 ? 'backend_reset' : 'client_reset');
    peer.socket.destroy();
    there.socket.destroy();
  }
});

t.test('the backend resets with megabytes on the way to a client that stands still', async t => {
  const server = await backend(t, sink);
  const lb = await startBalancer(t, oneService({ backends: [server.address] }));
  const peer = client(t, lb.port(), { paused: true });
  const [sender] = await until('a connection', () => (server.peers.length > 0 ? server.peers : undefined));
  const block = noise(3_000_000, 3);
  sender!.socket.write(block);
  let before = -1;
  await until('the bytes stand still', async () => {
    const now = lb.service().backends[0]!.bytes_out;
    const same = now === before && now > 0;
    before = now;
    await holds('a while', () => true, 100);
    return same;
  });
  sender!.reset();
  await holds('the client reads nothing yet', () => peer.received === 0, 200);
  peer.socket.resume();
  t.equal(await peer.end(), 'RST');
  const line = await lb.log.only();
  t.equal(line.reason, 'backend_reset');
  t.equal(peer.received, line.bytes_out, 'what lb4 read was delivered');
  t.ok(peer.received >= before, `${peer.received} of at least ${before}`);
  t.equal(peer.sha, sha(block.subarray(0, peer.received)));
});

t.test('a backend that answers and closes with unread input: its answer is delivered whole', async t => {
  const answer = noise(20_000, 5);
  const server = await backend(t, () => {}, { pauseOnConnect: true });
  const lb = await startBalancer(t, oneService({ backends: [server.address] }));
  for (let i = 0; i < 12; i++) {
    const peer = client(t, lb.port());
    // All of it is with a kernel before the answer: otherwise the client's own failed write would hide the answer.
    await peer.write(noise(i % 2 === 0 ? 50_000 : 1_000_000, 7));
    const { socket } = await until('the backend has it', () => server.peers[i]);
    // Closing with input unread sends RST right behind the answer.
    socket.write(answer, () => socket.destroy());
    await peer.end();
    t.equal(peer.sha, sha(answer), `${peer.received} bytes, ${peer.ending}`);
    peer.socket.destroy();
  }
  await lb.log.finished(12);
  t.equal(lb.service().active, 0);
});

t.test('a client reset reaches the backend as RST, after what the client sent', async t => {
  const server = await backend(t, sink);
  const lb = await startBalancer(t, oneService({ backends: [server.address] }));
  const peer = client(t, lb.port());
  await peer.write(DATA);
  await until('lb4 has the bytes', () => lb.service().backends[0]!.bytes_in === BYTES);
  peer.reset();
  t.equal(await server.peers[0]!.end(), 'RST');
  t.equal(server.peers[0]!.sha, sha(DATA));
  t.match(await lb.log.only(), { bytes_in: BYTES, reason: 'client_reset' });
});

t.test('a client resets, and the backend does before it has taken what is left: it is over then', async t => {
  const server = await backend(t, () => {}, { pauseOnConnect: true });
  const lb = await startBalancer(t, oneService({ backends: [server.address] }));
  for (const [i, bytes] of [300_000, 8_000_000].entries()) {
    const already = lb.service().backends[0]!.bytes_in;
    const peer = client(t, lb.port());
    peer.socket.write(noise(bytes, 13));
    const there = await until('a connection', () => server.peers[i]);
    await until('lb4 has some of it', () => lb.service().backends[0]!.bytes_in > already);
    peer.reset();
    await holds('the backend may take it still', () => lb.service().active === 1, 100);
    there.reset();
    await until('nobody is there any more', () => lb.service().active === 0, 5_000);
    // Behind 8 MB that lb4 has not taken yet it does not see the client's reset.
    t.match((await lb.log.finished(i + 1))[i]!.reason, i === 0 ? 'client_reset' : /_reset$/);
  }
});

t.test('a reset during a conversation both ways ends both sides', async t => {
  const server = await backend(t, echo);
  const lb = await startBalancer(t, oneService({ backends: [server.address] }));
  const peer = client(t, lb.port());
  await peer.write(DATA);
  await peer.reads(BYTES);
  peer.reset();
  t.equal(await server.peers[0]!.end(), 'RST');
  t.match(await lb.log.only(), { bytes_in: BYTES, bytes_out: BYTES, reason: 'client_reset' });
  await lb.idle();
});

for (const [first, then] of [
  ['client', 'backend'],
  ['backend', 'client'],
] as const) {
  t.test(`the ${then} breaks off after the ${first} has said FIN: the log says both`, async t => {
    const server = await backend(t, () => {});
    const lb = await startBalancer(t, oneService({ backends: [server.address] }));
    const near = client(t, lb.port());
    await near.write(DATA);
    const far = await until('connected', () => server.peers[0]);
    await far.write(DATA);
    await near.reads(BYTES);
    await far.reads(BYTES);
    const [closing, breaking] = first === 'client' ? [near, far] : [far, near];
    closing.finish();
    t.equal(await breaking.end(), 'FIN');
    breaking.reset();
    t.match(await lb.log.only(), {
      reason: `${first}_closed`,
      detail: `then ${then}_reset`,
      bytes_in: BYTES,
      bytes_out: BYTES,
    });
    await lb.idle();
  });
}

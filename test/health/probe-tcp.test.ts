import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { quoteBytes } from '../../src/health/probes/bytes.js';
import { createProbe } from '../../src/health/probes/index.js';
import { ProbeError, probeErrorOf } from '../../src/health/probes/probe.js';
import type { HealthSettings } from '../../src/health/settings.js';
import { settings } from './helpers.js';
import { type Ending, ending, freePort, local, PLAIN, serve } from './servers.js';

const GREETING = Buffer.from('220 smtp.example.com ready\r\n');

function probe(endpoint: ReturnType<typeof local>, overrides: Partial<HealthSettings> = {}, context = PLAIN) {
  const found = createProbe(settings(overrides), endpoint, context);
  if (found === undefined) throw new Error('expected a probe');
  return found;
}

function exchange(endpoint: ReturnType<typeof local>, send: string, expect: string) {
  return probe(endpoint, { kind: 'exchange', send: Buffer.from(send), expect: Buffer.from(expect) });
}

t.test('tcp: connects and closes with FIN', async t => {
  const ended: Promise<Ending>[] = [];
  const port = await serve(t, socket => ended.push(ending(socket)));
  const tcp = probe(local(port));
  t.equal(tcp.description, `tcp 127.0.0.1:${port}`);
  await tcp.check(1_000);
  t.strictSame(await poll(() => ended[0]), { how: 'FIN', read: '' });
});

for (const [when, delay] of [
  ['at once', 0],
  ['a while after the probe has its answer', 100],
] as const) {
  t.test(`tcp: a server that greets ${when} sees FIN and no reset`, async t => {
    const ended: Promise<Ending>[] = [];
    const port = await serve(t, socket => {
      setTimeout(() => socket.write(GREETING), delay);
      ended.push(ending(socket, Buffer.alloc(8_000_000, 'x'), 60));
    });
    await probe(local(port)).check(1_000);
    t.strictSame(await poll(() => ended[0]), { how: 'FIN', read: '' });
  });
}

t.test('the resets that the tests above look for are seen when a client does it wrong', async t => {
  const ended: Promise<Ending>[] = [];
  const port = await serve(t, socket => {
    socket.write(GREETING);
    ended.push(ending(socket, Buffer.alloc(100_000, 'x'), 60));
  });
  const rude = connect(port, '127.0.0.1');
  await once(rude, 'readable');
  rude.destroy();
  t.match(await poll(() => ended[0]), { how: 'RST' });
});

t.test('tcp: 200 probes of a greeting server leave no reset and no connection behind', async t => {
  let open = 0;
  const ended: Promise<Ending>[] = [];
  const port = await serve(t, socket => {
    open++;
    socket.once('close', () => open--);
    socket.write(GREETING);
    ended.push(ending(socket));
  });
  const tcp = probe(local(port));
  await Promise.all(Array.from({ length: 200 }, () => tcp.check(2_000)));
  await poll(() => ended.length === 200 || undefined);
  const endings = await Promise.all(ended);
  t.equal(endings.filter(({ how }) => how === 'RST').length, 0);
  t.equal(open, 0);
});

t.test('a preamble goes first, for tcp and for exchange', async t => {
  const ended: Promise<Ending>[] = [];
  const port = await serve(t, socket => {
    socket.once('data', () => socket.write('+PONG\r\n'));
    ended.push(ending(socket));
  });
  const context = { ...PLAIN, preamble: Buffer.from('PROXY UNKNOWN\r\n') };
  await createProbe(settings(), local(port), context)?.check(1_000);
  t.strictSame(await poll(() => ended[0]), { how: 'FIN', read: 'PROXY UNKNOWN\r\n' });
  const send = { kind: 'exchange', send: Buffer.from('PING\r\n'), expect: Buffer.from('+PONG') } as const;
  await createProbe(settings(send), local(port), context)?.check(1_000);
  t.strictSame(await poll(() => ended[1]), { how: 'FIN', read: 'PROXY UNKNOWN\r\nPING\r\n' });
});

t.test('reasons are plain words', async t => {
  await t.rejects(probe(local(await freePort())).check(1_000), {
    message: 'connection refused',
    local: false,
  });
  await t.rejects(probe({ kind: 'unix', path: '/nonexistent/lb4' }).check(1_000), {
    message: 'no such socket',
  });
  const silent = await serve(t, () => {});
  await t.rejects(exchange(local(silent), 'PING\r\n', '+PONG').check(50), {
    message: 'timeout after 50ms: expected answer containing "+PONG", got nothing',
  });
  await t.rejects(exchange(local(silent), 'PING\r\n', '').check(50), {
    message: 'timeout after 50ms: expected an answer, got nothing',
  });
  const wrong = await serve(t, socket => socket.write('-ERR no\r\n'));
  await t.rejects(exchange(local(wrong), 'PING\r\n', '+PONG').check(50), {
    message: 'timeout after 50ms: expected answer containing "+PONG", got "-ERR no\\r\\n"',
  });
  const closing = await serve(t, socket => socket.end('-ERR'));
  await t.rejects(exchange(local(closing), '', '+PONG').check(1_000), {
    message: 'expected answer containing "+PONG", got "-ERR"',
  });
  const mute = await serve(t, socket => socket.end());
  await t.rejects(exchange(local(mute), '', 'x').check(1_000), {
    message: 'expected answer containing "x", got end of connection',
  });
  const rude = await serve(t, socket => socket.once('data', () => socket.resetAndDestroy()));
  await t.rejects(exchange(local(rude), 'PING', 'x').check(1_000), { message: 'connection reset' });
  const shortage = probeErrorOf(Object.assign(new Error('x'), { code: 'EMFILE' }));
  t.match(shortage, { message: 'too many open files', local: true });
  t.type(shortage, ProbeError);
});

t.test('a connection that nobody accepts times out', async t => {
  const { port, stop } = await stoppedServer();
  t.teardown(stop);
  await t.rejects(probe(local(port)).check(100), { message: 'timeout after 100ms' });
});

t.test('exchange: the answer may come in pieces, after other bytes, and be binary', async t => {
  const port = await serve(t, socket => {
    socket.once('data', () => {
      socket.write('*** banner\r\n+PO');
      setTimeout(() => socket.write(Buffer.from([0x4e, 0x47, 0x00, 0xff])), 20);
    });
  });
  const binary = Buffer.from([0x2b, 0x50, 0x4f, 0x4e, 0x47, 0x00, 0xff]);
  const send = { kind: 'exchange', send: Buffer.from('PING'), expect: binary } as const;
  await t.resolves(probe(local(port), send).check(1_000));
});

t.test('exchange: server-first, and any answer will do without expect', async t => {
  const port = await serve(t, socket => socket.write(GREETING));
  await t.resolves(exchange(local(port), '', '220 ').check(1_000));
  await t.resolves(exchange(local(port), '', '').check(1_000));
});

t.test('exchange: an endless answer is searched for 64 KiB and then failed, also quietly', async t => {
  const ended: Promise<Ending>[] = [];
  const port = await serve(t, socket => {
    socket.write(Buffer.alloc(200_000, 'z'));
    ended.push(ending(socket));
  });
  await t.rejects(exchange(local(port), '', 'needle').check(2_000), {
    message: `expected answer containing "needle", got "${'z'.repeat(48)}…"`,
  });
  t.match(await poll(() => ended[0]), { how: 'FIN' });
});

t.test('exchange: closes with FIN after the answer although the server says more', async t => {
  const ended: Promise<Ending>[] = [];
  const port = await serve(t, socket => {
    socket.once('data', () => socket.write('+PONG\r\n'));
    ended.push(ending(socket, Buffer.alloc(50_000, 'x'), 50));
  });
  await exchange(local(port), 'PING\r\n', '+PONG').check(1_000);
  t.strictSame(await poll(() => ended[0]), { how: 'FIN', read: 'PING\r\n' });
});

t.test('another port, a unix socket, IPv6 and a source address', async t => {
  const peers: (string | undefined)[] = [];
  const seen = (socket: Socket) => peers.push(socket.remoteAddress);
  const port = await serve(t, seen);
  await t.resolves(probe(local(await freePort()), { port }).check(1_000));
  // Not t.testdir(): a socket's path may have 107 bytes at most.
  const folder = mkdtempSync(join(tmpdir(), 'lb4-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'backend.sock');
  await serve(t, seen, path);
  await t.resolves(probe({ kind: 'unix', path }, { port }).check(1_000), 'the port means nothing there');
  await createProbe(settings(), local(port), { ...PLAIN, source: '127.0.0.9' })?.check(1_000);
  await poll(() => peers.length === 3 || undefined);
  t.strictSame(peers, ['127.0.0.1', undefined, '127.0.0.9']);
  const port6 = await serve(t, seen, '::1').catch(() => undefined);
  if (port6 === undefined) return;
  const at6 = { kind: 'ip', host: '::1', port: port6 } as const;
  await t.resolves(probe(at6).check(1_000));
  await t.resolves(
    createProbe(settings(), at6, { ...PLAIN, source: '127.0.0.9' })?.check(1_000) ?? Promise.reject(),
    'a source of the other family is left out',
  );
});

t.test('an abort ends a probe at once', async t => {
  const port = await serve(t, () => {});
  const stop = new AbortController();
  const running = exchange(local(port), 'x', 'y').check(60_000, stop.signal);
  stop.abort();
  await t.rejects(running, { message: 'stopped' });
  await t.rejects(probe(local(port)).check(60_000, stop.signal), { message: 'stopped' });
});

t.test('bytes are shown escaped and shortened', async t => {
  t.equal(quoteBytes(Buffer.from('a"\\\r\n\t\0\u{7f}')), '"a\\"\\\\\\r\\n\\t\\x00\\x7f"');
  t.equal(quoteBytes(Buffer.alloc(100, 'a')), `"${'a'.repeat(48)}…"`);
  t.equal(quoteBytes(Buffer.alloc(0)), '""');
});

/** A server that is stopped (SIGSTOP) with its accept queue full, so that the kernel drops further SYNs. */
async function stoppedServer(): Promise<{ port: number; stop: () => void }> {
  const program = `const s = require('net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 },
    () => process.stdout.write(String(s.address().port)))`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [text] = await once(child.stdout, 'data');
  const port = Number(String(text));
  child.kill('SIGSTOP');
  const fillers: Socket[] = [];
  for (let full = false; !full && fillers.length < 64; ) {
    const filler = connect(port, '127.0.0.1');
    filler.on('error', () => {});
    fillers.push(filler);
    full = !(await Promise.race([
      once(filler, 'connect').then(() => true),
      new Promise<boolean>(resolve => setTimeout(resolve, 200, false)),
    ]));
  }
  const stop = () => {
    for (const filler of fillers) filler.destroy();
    child.kill('SIGKILL');
  };
  return { port, stop };
}

/** The first defined value of `read`, within 5 s. */
async function poll<T>(read: () => T | undefined): Promise<T> {
  const deadline = Date.now() + 5_000;
  for (;;) {
    const value = read();
    if (value !== undefined) return value;
    if (Date.now() > deadline) throw new Error('expected it within 5 s');
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}

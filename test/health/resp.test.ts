import { deepStrictEqual } from 'node:assert';
import fc from 'fast-check';
import t from 'tap';
import { ProbeError } from '../../src/health/probes/probe.js';
import { command, type Reply, RespError, RespReader } from '../../src/health/probes/resp.js';

/** Everything that the reader makes of these bytes. Throws what it throws. */
function read(...chunks: readonly (string | Uint8Array)[]): Reply[] {
  const reader = new RespReader();
  const found: Reply[] = [];
  for (const chunk of chunks) {
    reader.push(Buffer.from(chunk));
    for (let reply = reader.next(); reply !== undefined; reply = reader.next()) found.push(reply);
  }
  return found;
}

function encode(reply: Reply): string {
  if (reply === null) return '$-1\r\n';
  if (typeof reply === 'number') return `:${reply}\r\n`;
  if (typeof reply === 'string') return `$${Buffer.byteLength(reply)}\r\n${reply}\r\n`;
  if (reply instanceof RespError) return `-${reply.text}\r\n`;
  const list = reply as readonly Reply[];
  return `*${list.length}\r\n${list.map(encode).join('')}`;
}

t.test('answers of every kind', async t => {
  t.strictSame(read('+PONG\r\n:-12\r\n$5\r\nhallo\r\n$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n'), [
    ...['PONG', -12, 'hallo', '', null, null],
    [],
  ]);
  t.strictSame(read('*3\r\n$6\r\nmaster\r\n:3129659\r\n*1\r\n*2\r\n$9\r\n127.0.0.1\r\n$4\r\n9001\r\n'), [
    ['master', 3129659, [['127.0.0.1', '9001']]],
  ]);
  t.strictSame(read('-LOADING Redis is loading\r\n'), [new RespError('LOADING Redis is loading')]);
});

t.test('commands are arrays of bulk strings, whatever is in them', async t => {
  t.equal(command('AUTH', 'ü\r\nPING'), '*2\r\n$4\r\nAUTH\r\n$8\r\nü\r\nPING\r\n');
});

t.test('it does not matter how an answer is cut', async () => {
  const leaf = fc.oneof(
    fc.integer(),
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.constant(null),
    fc.stringMatching(/^[A-Z ]{1,9}$/).map(text => new RespError(text)),
  );
  const list = fc.array(fc.oneof(leaf, fc.array(leaf, { maxLength: 4 })), { maxLength: 5 });
  fc.assert(
    fc.property(
      fc.array(fc.oneof(leaf, list), { maxLength: 5 }),
      fc.array(fc.nat(), { maxLength: 6 }),
      (replies, at) => {
        const bytes = Buffer.from(replies.map(reply => encode(reply as Reply)).join(''));
        const cuts = [0, ...at.map(n => n % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
        const chunks = cuts.slice(1).map((end, i) => bytes.subarray(cuts[i], end));
        deepStrictEqual(read(...chunks), replies);
      },
    ),
  );
});

t.test('whatever comes is an answer, the beginning of one, or refused in words', async () => {
  const pieces = fc.constantFrom(
    '*',
    '$',
    ':',
    '+',
    '-',
    '\r\n',
    '1',
    '99999',
    '-1',
    'x',
    '\0',
    '*9\r\n',
    '$3\r\n',
  );
  const noise = fc.oneof(
    fc.array(pieces, { maxLength: 40 }).map(list => Buffer.from(list.join(''))),
    fc.uint8Array({ maxLength: 200 }),
  );
  fc.assert(
    fc.property(noise, bytes => {
      try {
        read(bytes);
      } catch (error) {
        if (!(error instanceof ProbeError) || /[^ -~…]/.test(error.message)) throw error;
      }
    }),
    { numRuns: 2_000 },
  );
});

t.test('bounded: long, deep, split up, and without end', async t => {
  t.throws(() => read(Buffer.alloc(65_537, '+')), { message: 'the answer is longer than 64 KiB' });
  t.throws(() => read('$65537\r\n'), { message: 'the answer is longer than 64 KiB' });
  t.throws(() => read(`$${'9'.repeat(30)}\r\n`), { message: /expected an answer of Redis/ });
  t.throws(() => read('*1\r\n'.repeat(9)), { message: /nested/ });
  t.throws(() => read(`*9999\r\n${':1\r\n'.repeat(5_000)}`), { message: /nested or split up/ });
  t.throws(() => read('*-7\r\n'), { message: /expected an answer of Redis/ });
  t.throws(() => read(`HTTP/1.1 400 ${'x'.repeat(1_100)}`), {
    message: `expected an answer of Redis, got "HTTP/1.1 400 ${'x'.repeat(35)}…"`,
  });
  t.throws(() => read('$3\r\nabcde\r\n'), { message: 'expected an answer of Redis, got "abcde\\r\\n"' });
});

t.test('a long answer that trickles in is taken apart once', async t => {
  const reader = new RespReader();
  const bytes = Buffer.from(`*4000\r\n${':1\r\n'.repeat(4_000)}`);
  const started = process.cpuUsage();
  let reply: Reply | undefined;
  for (let i = 0; i < bytes.length; i++) {
    reader.push(bytes.subarray(i, i + 1));
    reply = reader.next();
  }
  t.strictSame(reply, Array(4_000).fill(1));
  t.ok(process.cpuUsage(started).user < 1_000_000, 'thirty million elements would take longer');
});

t.test('a line is too long however it is cut', async t => {
  const line = `-${'x'.repeat(1_023)}\r\n`;
  t.strictSame(read(line), [new RespError('x'.repeat(1_023))]);
  t.strictSame(read(line.slice(0, -1), '\n'), [new RespError('x'.repeat(1_023))]);
  for (const parts of [[`-x${line.slice(1)}`], ['-x', line.slice(1)], [`-x${line.slice(1, -1)}`, '\n']]) {
    t.throws(() => read(...parts), { message: /expected an answer of Redis/ });
  }
});

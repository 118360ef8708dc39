import { ok, deepStrictEqual as same } from 'node:assert';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { parseConfigObject } from '../../../src/config/parse.js';
import { createProbe } from '../../../src/health/probes/index.js';
import { PgFrames } from '../../../src/health/probes/pg-frames.js';
import { ProbeError } from '../../../src/health/probes/probe.js';
import type { Random } from '../random.js';
import type { Target } from '../target.js';
import { checkReason, pieces } from './answers.js';

const IN = `${message('R', '\0\0\0\0')}${message('Z', 'I')}`;
const PROBE_MS = 250;

/**
 * What a server says to the PostgreSQL probes. The first byte of an input says how it is cut; where it is odd the probe
 * that logs in hears it too, over a real connection, as what the server says at once and without being asked.
 */
export async function postgresTarget(): Promise<Target> {
  let answer: readonly Uint8Array[] = [];
  const sockets = new Set<Socket>();
  const server = createServer(socket => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    socket.once('data', () => {
      for (const piece of answer) socket.write(piece);
      socket.end();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const health = { kind: 'postgres', user: 'lb4', password: 'secret', database: 'x' } as const;
  const { services } = parseConfigObject({ services: { a: { listen: '0', backends: ['a:1'], health } } });
  const nowhere = { protocol: 'tcp', source: '', preamble: new Uint8Array() } as const;
  const endpoint = { kind: 'ip', host: '127.0.0.1', port } as const;
  const quick = parseConfigObject({
    services: { a: { listen: '0', backends: ['a:1'], health: { kind: 'postgres' } } },
  });

  return {
    words: [
      ...'RETDCZSKNA'.split('').flatMap(type => [type, message(type, '')]),
      ...[
        IN,
        message('E', 'SFATAL\0C28P01\0Mno\0\0'),
        message('C', 'SELECT 1\0'),
        message('R', '\0\0\0\n'),
        message('R', '\0\0\0\x05abcd'),
      ],
      ...[
        '\0\0\0\x04',
        '\0\0\0\x05',
        '\xff\xff\xff\xff',
        '\0\0\x01\0',
        'SCRAM-SHA-256\0',
        'r=x,s=AAAA,i=4096',
        '\0\x01',
        '\x7f\xff',
        'true',
        '16/B374D848',
      ],
    ],
    seeds: [
      `\x01${IN}${row({ replica: 'false' })}`,
      `\x03${IN}${row({ replica: 'true', replayed: '0/1', received: '0/2' })}`,
      `\x05${message('R', '\0\0\0\nSCRAM-SHA-256\0\0')}`,
    ],
    generate: random =>
      String.fromCharCode(random.below(256)) + (random.once(2) ? IN : '') + messages(random),
    run: async input => {
      const how = input[0] ?? 0;
      const bytes = input.subarray(1);
      same(frames(pieces(bytes, how)), frames([bytes]), 'it matters how it is cut');
      if (how % 2 === 0) return;
      answer = pieces(bytes, how).slice(0, 16);
      const { health } = (how % 16 === 1 ? quick : { services }).services.a!;
      const probe = createProbe(health, endpoint, nowhere);
      try {
        await probe.check(PROBE_MS);
      } catch (error) {
        if (!(error instanceof ProbeError)) throw error;
        checkReason(error.message);
      } finally {
        probe.close?.();
      }
    },
    reset: async () => {
      ok(sockets.size < 100, `${sockets.size} connections left`);
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** Every whole message that may be passed on; and whether the rest was refused. */
function frames(chunks: readonly Uint8Array[]): { found: string[]; refused: boolean } {
  const found: string[] = [];
  const reader = new PgFrames();
  try {
    for (const chunk of chunks) {
      for (const one of reader.take(chunk)) {
        same(one.readUInt32BE(1), one.length - 1, 'no whole message');
        found.push(one.toString('latin1'));
      }
    }
    return { found, refused: false };
  } catch (error) {
    if (!(error instanceof ProbeError)) throw error;
    checkReason(error.message);
    // What came whole together with the fault is lost with it.
    return { found: [], refused: true };
  }
}

function messages(random: Random): string {
  const text = () =>
    Array.from({ length: random.size(24) }, () => String.fromCharCode(random.below(256))).join('');
  return Array.from({ length: 1 + random.below(5) }, () => {
    if (random.once(4))
      return row({ replica: random.pick(['true', 'false', text()]), [text().replaceAll('\0', '')]: text() });
    return message(random.pick('RETDCZSKNAX'.split('')), `${random.once(2) ? '\0\0\0' : ''}${text()}`);
  }).join('');
}

function message(type: string, body: string): string {
  const length = body.length + 4;
  return `${type}\0\0${String.fromCharCode(length >> 8, length & 255)}${body}`;
}

function row(columns: Readonly<Record<string, string>>): string {
  const count = `\0${String.fromCharCode(Object.keys(columns).length)}`;
  const names = Object.keys(columns).map(
    name => `${name}\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0`,
  );
  const values = Object.values(columns).map(text => `\0\0\0${String.fromCharCode(text.length)}${text}`);
  const parts = [message('T', count + names.join('')), message('D', count + values.join(''))];
  return parts.join('') + message('C', 'SELECT 1\0') + message('Z', 'I');
}

import { ok } from 'node:assert';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { isIP } from 'node:net';
import { parseBackend } from '../../../src/config/backend.js';
import { dnsResolver } from '../../../src/discovery/dns.js';
import type { Found } from '../../../src/discovery/entry.js';
import { backendList } from '../../../src/discovery/list.js';
import { type NamedTarget, resolveTarget } from '../../../src/discovery/resolve.js';
import { lookupReason } from '../../../src/discovery/resolver.js';
import type { Random } from '../random.js';
import type { Target } from '../target.js';

const A = 1;
const AAAA = 28;
const SRV = 33;
/** A name in the question, for a pointer to it. */
const POINTER = '\xc0\x0c';
const NAME: NamedTarget = { kind: 'name', host: 'db.test', port: 5432 };
const SERVICE: NamedTarget = { kind: 'srv', name: '_pg._tcp.test' };
/** Names that no record was found under would go on to ask for ever so many others. */
const MAX_QUESTIONS = 64;

/**
 * What a name server answers. An input is the answers' part of a message, behind two bytes for flags and one for the
 * number of records; the question is asked back as it was, so that the answer is read at all.
 */
export async function dnsTarget(): Promise<Target> {
  let answer: Uint8Array = new Uint8Array();
  let asked = 0;
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  socket.on('message', (query, from) => {
    if (++asked > MAX_QUESTIONS) return;
    const header = Buffer.from([query[0]!, query[1]!, 0x80 | ((answer[0] ?? 1) & 7), answer[1] ?? 0, 0, 1]);
    const counts = Buffer.from([0, answer[2] ?? 1, 0, 0, 0, 0]);
    const end = query.indexOf(0, 12) + 5;
    const parts = [header, counts, query.subarray(12, end), answer.subarray(3)];
    socket.send(Buffer.concat(parts), from.port, from.address);
  });
  const resolver = dnsResolver([`127.0.0.1:${socket.address().port}`], { timeoutMs: 50, tries: 1 });

  return {
    words: [
      ...[
        POINTER,
        '\x02db\x04test\0',
        '\0\x01\0\x01',
        '\0\x1c\0\x01',
        '\0\x21\0\x01',
        '\0\x05\0\x01',
        '\0\0\0\x3c',
        '\0\x04',
        '\0\x10',
      ],
      ...['\xff\xff', '\x3f', '\xc0\xff', '\x7f\0\0\x01', '\x04\x1b[2J', '\x05a\nb\0c', '\0'],
    ],
    seeds: [
      `\x01\x80\x02${record(A, 60, '\x0a\0\0\x01')}${record(A, 1, '\x0a\0\0\x02')}`,
      `\x01\x80\x01${record(AAAA, 60, `${'\x20\x01\x0d\xb8'}${'\0'.repeat(11)}\x01`)}`,
      `\x01\x80\x02${record(SRV, 5, '\0\x01\0\x05\x15\x38\x02db\x04test\0')}${record(A, 60, '\x0a\0\0\x01')}`,
      `\x01\x80\x01${record(SRV, 5, '\0\x01\xff\xff\0\0\x04a\n"b\0')}`,
    ],
    generate,
    run: async input => {
      answer = input;
      asked = 0;
      const entries = [];
      for (const target of [NAME, SERVICE]) {
        const id = target.kind === 'srv' ? `srv:${target.name}` : 'db.test:5432';
        try {
          const { found, ttl = 0, fault } = await resolveTarget(target, id, resolver, []);
          ok(found.length > 0, 'resolved to nothing');
          ok(Number.isInteger(ttl) && ttl >= 0, `a TTL of ${ttl}`);
          checkWords(fault);
          for (const one of found) check(one);
          entries.push({ entry: parseBackend({ address: id, weight: 65_535 }), found });
        } catch (error) {
          if (!(error instanceof Error) || error.name === 'AssertionError') throw error;
          // Anything but words of ours and codes of DNS would be a fault of ours.
          ok(!['TypeError', 'RangeError'].includes(error.name), error.stack);
          checkWords(lookupReason(error));
        }
      }
      const list = backendList(entries, []);
      ok(new Set(list.map(({ id }) => id)).size === list.length, 'an id twice');
    },
    close: async () => {
      resolver.cancel();
      socket.close();
    },
  };
}

function check({ base, endpoint, weight }: Found): void {
  ok(endpoint.kind === 'ip' && isIP(endpoint.host) !== 0, `not an address: ${JSON.stringify(endpoint)}`);
  ok(endpoint.port >= 1 && endpoint.port <= 65_535, `a port of ${endpoint.port}`);
  ok(Number.isInteger(weight) && weight >= 1 && weight <= 65_535, `a weight of ${weight}`);
  ok(
    /^(srv:)?\[?[A-Za-z0-9_.:-]+\]?:?\d*$/.test(base),
    `a name with something in it: ${JSON.stringify(base)}`,
  );
}

function checkWords(text: string): void {
  ok(/^[ -~…]{0,2000}$/.test(text), `words with something in them: ${JSON.stringify(text.slice(0, 300))}`);
}

function generate(random: Random): string {
  const count = 1 + random.below(6);
  const label = () => {
    const text = Array.from({ length: 1 + random.size(20) }, () =>
      random.once(12) ? String.fromCharCode(random.below(256)) : random.pick([...'abcdef0123-_']),
    ).join('');
    return `${String.fromCharCode(text.length)}${text}`;
  };
  const records = Array.from({ length: count }, () => {
    const bytes = (n: number) =>
      Array.from({ length: n }, () => String.fromCharCode(random.below(256))).join('');
    const type = random.pick([A, AAAA, SRV]);
    const target = () =>
      random.once(4) ? '\0' : `${Array.from({ length: 1 + random.below(4) }, label).join('')}\0`;
    const data = type === A ? bytes(4) : type === AAAA ? bytes(16) : `${bytes(6)}${target()}`;
    return record(type, random.next(), data);
  });
  return `\x01\x80${String.fromCharCode(count)}${records.join('')}`;
}

function record(type: number, ttl: number, data: string): string {
  const head = Buffer.alloc(10);
  head.writeUInt16BE(type, 0);
  head.writeUInt16BE(1, 2);
  head.writeUInt32BE(ttl, 4);
  head.writeUInt16BE(data.length, 8);
  return `${POINTER}${head.toString('latin1')}${data}`;
}

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { Test } from 'tap';

const TYPES = { A: 1, AAAA: 28, SRV: 33 } as const;
type TypeName = keyof typeof TYPES;

export interface DnsServer {
  /** `127.0.0.1:PORT` */
  readonly address: string;
  /** Response code for every question: 0 = answer, 2 = server failure. */
  rcode: number;
  /** Types whose questions fail (response code 2), or get no answer. */
  readonly failing: Set<TypeName>;
  silent: boolean;
  /** Queries seen: `A db.test`. */
  readonly seen: string[];
  /** Answers: an address, or for SRV `priority weight port target`. Without any: NXDOMAIN, or no data of this type. */
  set(type: TypeName, name: string, ttl: number, ...values: string[]): void;
}

/** A DNS server over UDP on loopback for one test (RFC 1035, RFC 3596, RFC 2782; one question, no compression). */
export async function dnsServer(t: Test): Promise<DnsServer> {
  const records = new Map<string, { ttl: number; data: Buffer }[]>();
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.teardown(() => socket.close());

  const server: DnsServer = {
    address: `127.0.0.1:${socket.address().port}`,
    rcode: 0,
    failing: new Set(),
    silent: false,
    seen: [],
    set: (type, name, ttl, ...values) => {
      records.set(
        `${type} ${name}`,
        values.map(value => ({ ttl, data: encode(type, value) })),
      );
    },
  };
  socket.on('message', (query, from) => {
    const { name, type, end } = question(query);
    const typeName = (Object.keys(TYPES) as TypeName[]).find(key => TYPES[key] === type) ?? 'A';
    server.seen.push(`${typeName} ${name}`);
    if (server.silent) return;
    const failed = server.failing.has(typeName) ? 2 : server.rcode;
    const answers = failed === 0 ? (records.get(`${typeName} ${name}`) ?? []) : [];
    const known = [...records.keys()].some(key => key.endsWith(` ${name}`));
    const header = Buffer.alloc(12);
    query.copy(header, 0, 0, 2);
    header.writeUInt16BE(0x8180 | (failed !== 0 ? failed : known ? 0 : 3), 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(answers.length, 6);
    const body = answers.map(({ ttl, data }) => {
      const head = Buffer.alloc(12);
      head.writeUInt16BE(0xc00c, 0); // the question's name
      head.writeUInt16BE(type, 2);
      head.writeUInt16BE(1, 4);
      head.writeUInt32BE(ttl, 6);
      head.writeUInt16BE(data.length, 10);
      return Buffer.concat([head, data]);
    });
    socket.send(Buffer.concat([header, query.subarray(12, end), ...body]), from.port, from.address);
  });
  return server;
}

function question(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  while (query[at] !== 0) {
    const length = query[at]!;
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

function encode(type: TypeName, value: string): Buffer {
  if (type === 'A') return Buffer.from(value.split('.').map(Number));
  if (type === 'AAAA') {
    // Only what the tests need: eight groups, all written out.
    const data = Buffer.alloc(16);
    for (const [i, group] of value.split(':').entries())
      data.writeUInt16BE(Number.parseInt(group, 16), 2 * i);
    return data;
  }
  const [priority, weight, port, target] = value.split(' ');
  const head = Buffer.alloc(6);
  for (const [i, number] of [priority, weight, port].entries()) head.writeUInt16BE(Number(number), 2 * i);
  const labels = target!
    .split('.')
    .map(label => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  return Buffer.concat([head, ...labels, Buffer.from([0])]);
}

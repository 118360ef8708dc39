import { ok, deepStrictEqual as same } from 'node:assert';
import { ProbeError } from '../../../src/health/probes/probe.js';
import { replicationOf } from '../../../src/health/probes/redis-replication.js';
import { type Reply, RespReader } from '../../../src/health/probes/resp.js';
import type { Random } from '../random.js';
import type { Target } from '../target.js';
import { checkReason, pieces } from './answers.js';

/** What a server says to the Redis probe. The first byte of an input says how it is cut. */
export function redisTarget(): Target {
  return {
    words: [
      ...[
        '+PONG\r\n',
        '+OK\r\n',
        '-ERR x\r\n',
        ':1\r\n',
        '$-1\r\n',
        '*-1\r\n',
        '*3\r\n',
        '$6\r\nmaster\r\n',
        '$5\r\nslave\r\n',
      ],
      ...[
        '*1\r\n*1\r\n*1\r\n*1\r\n',
        '$8\r\nsentinel\r\n',
        '\r\n',
        '\r',
        '\n',
        '$',
        '*',
        ':',
        '-',
        '+',
        '%',
        '_',
        '#',
        '*4096\r\n',
      ],
      ...[
        'master_link_status:up\r\n',
        'master_last_io_seconds_ago:',
        'master_replid:',
        '0123456789abcdef0123456789abcdef01234567',
      ],
    ],
    seeds: [
      '\0+OK\r\n+PONG\r\n*3\r\n$6\r\nmaster\r\n:3129659\r\n*1\r\n*3\r\n$9\r\n127.0.0.1\r\n$4\r\n9001\r\n$7\r\n3129242\r\n$23\r\nmaster_repl_offset:12\r\n\r\n',
      '\x01+PONG\r\n*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:9000\r\n$9\r\nconnected\r\n:3167038\r\n$23\r\nmaster_link_status:up\r\n\r\n',
      '\x03-NOAUTH Authentication required.\r\n-LOADING\r\n$-1\r\n',
    ],
    generate: random =>
      `${String.fromCharCode(random.below(256))}${[reply(random, 0), reply(random, 0), reply(random, 0)].join('')}`,
    run: input => {
      const cut = read(pieces(input.subarray(1), input[0] ?? 0));
      same(cut, read([input.subarray(1)]), 'it matters how it is cut');
      const [role = null, info = null] = cut.replies;
      told(() => replicationOf(role, info));
    },
  };
}

function read(chunks: readonly Uint8Array[]): { replies: Reply[]; fault: boolean } {
  const reader = new RespReader();
  const replies: Reply[] = [];
  const fault = told(() => {
    for (const chunk of chunks) {
      reader.push(chunk);
      for (let reply = reader.next(); reply !== undefined; reply = reader.next()) replies.push(reply);
    }
  });
  ok(replies.length <= 65_536, 'more answers than bytes');
  return { replies, fault };
}

/** True when it threw, as a probe may. */
function told(work: () => void): boolean {
  try {
    work();
    return false;
  } catch (error) {
    if (!(error instanceof ProbeError)) throw error;
    checkReason(error.message);
    return true;
  }
}

function reply(random: Random, depth: number): string {
  const text = () =>
    Array.from({ length: random.size(30) }, () => String.fromCharCode(random.below(256))).join('');
  switch (random.below(depth > 5 ? 4 : 6)) {
    case 0:
      return `+${text()}\r\n`;
    case 1:
      return `-${text()}\r\n`;
    case 2:
      return `:${random.next() - 2 ** 31}\r\n`;
    case 3: {
      const body = text();
      return `$${body.length}\r\n${body}\r\n`;
    }
    default: {
      const count = random.size(12);
      return `*${count}\r\n${Array.from({ length: count }, () => reply(random, depth + 1)).join('')}`;
    }
  }
}

import { ok } from 'node:assert';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Gate } from '../../../src/admin/gate.js';
import { Guard } from '../../../src/admin/guard.js';
import { buildServer } from '../../../src/admin/server.js';
import { createBalancer } from '../../../src/balancer.js';
import { parseConfigObject } from '../../../src/config/parse.js';
import type { Resolver } from '../../../src/discovery/resolver.js';
import { ConfigError } from '../../../src/errors.js';
import { silentLogger } from '../../../src/log.js';
import type { Random } from '../random.js';
import type { Target } from '../target.js';
import { readResponses } from './http.js';

/** A connection that has sent its last byte is closed by then. */
const PATIENCE_MS = 3_000;

/** Names lead to loopback, and nobody is asked. */
const RESOLVER: Resolver = {
  addresses: async () => [{ address: '127.0.0.1', ttl: 60 }],
  srv: async () => [{ name: 'db.test', port: 1, priority: 1, weight: 1 }],
  cancel: () => {},
};

const PATHS = [
  ...[
    '/',
    '/livez',
    '/readyz',
    '/status',
    '/metrics',
    '/events',
    '/openapi.json',
    '/reload',
    '/assets/main.js',
  ],
  ...[
    '/services/pg/backends',
    '/services/pg/backends/127.0.0.1%3A1',
    '/services/pg/backends/b',
    '/services/dns/backends/127.0.0.1%3A2',
  ],
  ...[
    '/services/pg/connections',
    '/services/pg/connections?limit=5&backend=b',
    '/services/pg/backends/b/close',
    '/services/pg/rebalance',
  ],
  ...[
    '/services/__proto__/backends',
    '/services/constructor/backends/toString',
    '/services/pg/backends/__proto__',
    '/services/%00/connections',
  ],
];
const BODIES = [
  ...[
    '{"weight":5}',
    '{"state":"drain"}',
    '{"state":"ready"}',
    '{"state":"maint","weight":0}',
    '{"rate":"5/s"}',
    '{"rate":0}',
    '{}',
    'null',
  ],
  ...[
    '{"address":"127.0.0.1:9"}',
    '{"address":"db.test:1","name":"c","weight":2,"backup":true}',
    '{"address":"srv:_a._tcp.b"}',
    '{"address":"unix:/x"}',
  ],
  ...[
    '{"__proto__":{"polluted":1}}',
    '{"constructor":{"prototype":{"polluted":1}}}',
    '[',
    '"x"',
    '{"weight":1e999}',
    '{"weight":-0}',
    '{"address":1}',
  ],
];

/** The admin interface: whole requests, as bytes, over a connection of their own. */
export async function adminTarget(): Promise<Target> {
  const folder = mkdtempSync(join(tmpdir(), 'lb4-fuzz-'));
  const path = join(folder, 'admin.sock');
  let running = await start(path);
  return {
    words: [
      ...[
        'GET ',
        'POST ',
        'PATCH ',
        'DELETE ',
        'PUT ',
        'HEAD ',
        'OPTIONS ',
        'CONNECT ',
        ' HTTP/1.1\r\n',
        ' HTTP/1.0\r\n',
        '\r\n',
        '\r\n\r\n',
      ],
      ...[
        'Host: x\r\n',
        'Content-Type: application/json\r\n',
        'Content-Type: text/plain\r\n',
        'Content-Length: ',
        'Transfer-Encoding: chunked\r\n',
      ],
      ...[
        'Expect: 100-continue\r\n',
        'Connection: close\r\n',
        'Connection: upgrade\r\nUpgrade: x\r\n',
        'Authorization: Bearer x\r\n',
        'Origin: http://x\r\n',
      ],
      ...[
        'Last-Event-ID: 0\r\n',
        '0\r\n\r\n',
        '%2F',
        '%00',
        '%',
        '?',
        '&',
        '..%2f',
        '//',
        '\0',
        '\u00ff',
        ...PATHS,
        ...BODIES,
      ],
    ],
    seeds: [
      ...PATHS.map(url => request('GET', url, '')),
      ...BODIES.map(body => request('PATCH', '/services/pg/backends/b', body)),
    ],
    generate,
    run: async input => {
      const answer = await exchange(path, input);
      for (const { status, isJson, body, isWhole } of readResponses(answer)) {
        ok(status < 500 || status === 503 || status === 505 || status === 501, `${status} ${body}`);
        if (status >= 400 && isWhole) {
          const { error } = JSON.parse(isJson ? body : 'null') ?? {};
          ok(typeof error === 'string' && error !== '', `${status} without words: ${body}`);
          ok(error.length < 5_000, `${error.length} characters of error`);
        }
      }
      ok(
        Object.keys(Object.prototype).length === 0 && !('polluted' in {}),
        'the prototype of all objects was changed',
      );
    },
    reset: async () => {
      const status = await exchange(path, Buffer.from(request('GET', '/status', '')));
      ok(readResponses(status)[0]?.status === 200, 'no status any more');
      await running();
      running = await start(path);
    },
    close: async () => {
      await running();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** An instance with its interface at this path; returns what ends it. */
async function start(path: string): Promise<() => Promise<void>> {
  const health = { kind: 'none' } as const;
  const config = parseConfigObject({
    runtime: { engine: 'net' },
    admin: { listen: `unix:${path}` },
    services: {
      pg: { listen: '127.0.0.1:0', backends: ['127.0.0.1:1', '127.0.0.1:2 name=b', 'db.test:5'], health },
      dns: { listen: '127.0.0.1:0', protocol: 'udp', backends: ['127.0.0.1:2'] },
    },
  });
  const log = silentLogger();
  const balancer = createBalancer(config, { logger: log, resolver: RESOLVER });
  await balancer.start();
  const issue = { severity: 'error', path: 'services', source: 'x.toml', message: 'expected more' } as const;
  const reload = () => Promise.reject(new ConfigError([issue]));
  const upgrade = () => Promise.reject(new Error('no program'));
  // Not by way of Admin: threads have no umask of their own to keep a socket private with.
  const app = await buildServer({ balancer, log, reload, upgrade }, new Guard(false, undefined), new Gate());
  app.server.listen({ path });
  await once(app.server, 'listening');
  return async () => {
    await app.close();
    await balancer.destroy();
  };
}

/** Everything that comes back until the connection is closed. */
function exchange(path: string, bytes: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect({ path });
    const late = setTimeout(() => {
      socket.destroy();
      reject(new Error(`still open after ${PATIENCE_MS} ms`));
    }, PATIENCE_MS);
    socket.on('data', chunk => chunks.push(chunk));
    // Whoever sends on where it is not listened to any more gets a reset.
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(late);
      resolve(Buffer.concat(chunks));
    });
    socket.end(bytes);
  });
}

function generate(random: Random): string {
  const method = random.pick(['GET', 'POST', 'PATCH', 'DELETE', 'HEAD', 'PUT']);
  return request(method, random.pick(PATHS), method === 'GET' ? '' : random.pick(BODIES));
}

function request(method: string, url: string, body: string): string {
  const head = [`${method} ${url} HTTP/1.1`, 'Host: x'];
  if (body !== '') head.push('Content-Type: application/json', `Content-Length: ${body.length}`);
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}

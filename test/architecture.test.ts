import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import ts from 'typescript';

/** Compiled tests lie in dist/test. */
const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/**
 * The rooms of the house from the ground up, and the rooms that each may import from: docs/architecture.md says why.
 * A room's arrows only point to rooms above it in this list, so there are no circles.
 */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  version: [],
  clock: [],
  monotonic: [],
  turn: [],
  'timer-wheel': [],
  'system-error': [],
  'system-limits': [],
  address: ['errors'],
  'self-connect': ['address'],
  pack: ['address'],
  duration: ['errors'],
  strategies: ['errors'],
  config: ['errors', 'address', 'duration', 'strategies'],
  'log-output': [],
  log: ['config', 'log-output'],
  pool: ['errors', 'address', 'strategies'],
  health: ['errors', 'clock', 'address', 'duration', 'config', 'pool'],
  discovery: ['clock', 'address', 'duration', 'config'],
  // The seam: what an engine is. It belongs to neither side.
  'engines/engine': ['address', 'pack', 'pool', 'timer-wheel'],
  flow: ['errors', 'address', 'pack', 'strategies', 'pool', 'engines/engine', 'timer-wheel'],
  'engines/net': [
    'errors',
    'address',
    'self-connect',
    'pool',
    'engines/engine',
    'timer-wheel',
    'system-error',
    'monotonic',
  ],
  'engines/epoll': [
    'errors',
    'address',
    'self-connect',
    'pack',
    'pool',
    'engines/engine',
    'timer-wheel',
    'system-error',
    'monotonic',
  ],
  'engines/faults': ['errors', 'address', 'pool', 'engines/engine', 'timer-wheel'],
  threads: [
    'errors',
    'address',
    'pack',
    'strategies',
    'pool',
    'flow',
    'engines/engine',
    'engines/net',
    'engines/epoll',
    'engines/faults',
  ],
  control: [
    'errors',
    'turn',
    'monotonic',
    'system-limits',
    'address',
    'config',
    'pool',
    'health',
    'discovery',
    'flow',
    'threads',
    'log',
  ],
  // What systemd and its like want of a daemon.
  'service-manager': ['errors', 'address', 'pool', 'engines/epoll'],
  balancer: [
    ...['errors', 'version', 'monotonic', 'turn', 'log', 'config', 'strategies', 'pool', 'discovery'],
    ...['flow', 'engines/faults', 'threads', 'control'],
  ],
  admin: [
    ...['errors', 'version', 'system-error', 'address', 'log', 'config', 'pool', 'engines/net'],
    ...['control', 'balancer'],
  ],
  // Talks to a running instance; of admin it knows where that listens.
  client: ['errors', 'system-error', 'config', 'pool', 'control', 'admin'],
  // A process hands over to another one: both sides of it.
  upgrade: [
    ...[
      'errors',
      'version',
      'monotonic',
      'duration',
      'system-error',
      'log',
      'config',
      'pool',
      'engines/epoll',
    ],
    ...['threads', 'control', 'balancer', 'admin'],
  ],
  // The library's front door.
  index: [
    ...['errors', 'version', 'address', 'log', 'strategies', 'config', 'pool', 'discovery', 'flow'],
    ...['engines/faults', 'control', 'balancer'],
  ],
  cli: [
    ...['errors', 'version', 'duration', 'system-error', 'system-limits', 'turn', 'address', 'log', 'config'],
    ...['strategies', 'pool', 'control', 'balancer', 'admin', 'upgrade', 'client', 'service-manager'],
  ],
};

/** Packages, and the only rooms that may know them. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  '@fastify/swagger': ['admin'],
  fastify: ['admin'],
  'fastify-type-provider-zod': ['admin'],
  'ipaddr.js': ['address'],
  koffi: ['engines/epoll'],
  pg: ['health'],
  pino: ['log'],
  'pino-pretty': ['log'],
  'prom-client': ['admin'],
  toml: ['config'],
  yargs: ['cli'],
  zod: ['config', 'strategies', 'admin'],
};

interface Import {
  readonly file: string;
  readonly room: string;
  readonly target: string;
}

/** src/config/load.ts → config; src/engines/net/dial.ts → engines/net; strategies/hash.ts → strategies. */
function roomOf(file: string): string {
  const [top, ...rest] = file.replace(/(\.d)?\.ts$/, '').split('/');
  if (top !== 'src') return top!;
  return rest[0] === 'engines' ? rest.slice(0, 2).join('/') : rest[0]!;
}

function imports(): Import[] {
  const files = ['src', 'strategies'].flatMap(folder =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.ts'))
      .map(name => join(folder, name)),
  );
  return files.flatMap(file =>
    ts
      .preProcessFile(readFileSync(join(ROOT, file), 'utf8'), true, true)
      .importedFiles.map(({ fileName }) => ({ file, room: roomOf(file), target: fileName })),
  );
}

const ALL = imports();

t.test('rooms import only what lies below them', async t => {
  const order = Object.keys(ARROWS);
  for (const [room, targets] of Object.entries(ARROWS)) {
    const wrong = targets.filter(target => order.indexOf(target) >= order.indexOf(room));
    t.strictSame(wrong, [], `the table itself: ${room}`);
  }
});

t.test('every import goes along an arrow', async t => {
  const wrong = ALL.filter(({ target }) => target.startsWith('.')).filter(({ file, room, target }) => {
    const other = roomOf(relative('.', normalize(join(dirname(file), target.replace(/\.js$/, '.ts')))));
    return other !== room && !ARROWS[room]?.includes(other);
  });
  t.strictSame(wrong, []);
  t.ok(ALL.length > 200, 'imports were found');
});

t.test('packages are known only where they belong', async t => {
  const wrong = ALL.filter(({ target }) => !/^(\.|node:)/.test(target)).filter(({ room, target }) => {
    const name = target.split('/', target.startsWith('@') ? 2 : 1).join('/');
    return !PACKAGES[name]?.includes(room);
  });
  t.strictSame(wrong, []);
});

t.test('every room is in the table', async t => {
  const rooms = new Set(ALL.map(({ room }) => room));
  t.strictSame(
    [...rooms].filter(room => !(room in ARROWS)),
    [],
  );
});

t.test('only libc.ts knows the foreign function interface', async t => {
  const files = ALL.filter(({ target }) => target === 'koffi').map(({ file }) => file);
  t.ok(
    files.every(file => file === 'src/engines/epoll/libc.ts'),
    files.join(', '),
  );
});

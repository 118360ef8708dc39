import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { EventStreams, MAX_STREAMS, MAX_UNREAD } from '../../src/admin/events.js';
import { EventHub } from '../../src/control/events.js';
import { type Administered, startAdministered } from '../fixtures/api.js';
import { backend, freePort, named } from '../fixtures/backends.js';
import { oneService } from '../fixtures/balancer.js';
import { EventReader } from '../fixtures/event-reader.js';
import { folder } from '../fixtures/program.js';
import { until } from '../fixtures/until.js';

async function read(t: Test, lb: Administered, lastId?: number): Promise<EventReader> {
  const reader = await EventReader.open(lb.admin.address!.slice('unix:'.length), lastId);
  t.teardown(() => reader.close());
  return reader;
}

t.test('what happens, as it happens', async t => {
  const [a, b] = await Promise.all(['a', 'b'].map(name => backend(t, named(name))));
  const health = { interval: '20ms', timeout: '500ms', fall: 1, rise: 1 };
  const input = oneService({ backends: [a!.address], health });
  const lb = await startAdministered(t, input);
  const reader = await read(t, lb);
  t.match(reader.reply.headers, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });

  lb.balancer.setState('main', a!.address, 'drain');
  t.match(await reader.event('state'), {
    data: {
      at: /^\d{4}-.*Z$/,
      service: 'main',
      backend: a!.address,
      to: 'draining',
      reason: 'by operator',
    },
  });
  lb.balancer.setState('main', a!.address, 'ready');
  lb.balancer.setWeight('main', a!.address, 7);
  t.match(await reader.event('weight'), { data: { from: 1, to: 7, reason: 'by operator' } });
  await lb.balancer.addBackend('main', { address: b!.address });
  t.match(await reader.event('backend_added'), { data: { backend: b!.address, address: b!.address } });
  await lb.balancer.removeBackend('main', b!.address);
  t.match(await reader.event('backend_removed'), {
    data: { backend: b!.address, active: 0, reason: 'removed by operator' },
  });
  await a!.stop();
  t.match(await until('down', () => reader.events.find(({ data }) => data.to === 'down')), {
    event: 'state',
    data: { service: 'main', backend: a!.address, reason: /connection (refused|reset)/ },
  });

  await lb.balancer.apply(oneService({ backends: [a!.address], health, max_connections: 5 }));
  t.match(await reader.event('reloaded'), { data: { changes: [/main/], kept: 0 } });
  const taken = await backend(t, named('x'));
  await t.rejects(lb.balancer.apply(oneService({ backends: [a!.address], listen: taken.address })), {
    code: 'LB4_LISTEN',
  });
  await t.rejects(lb.balancer.apply({ services: { main: { listen: 'x', backends: [] } } }), {
    code: 'LB4_CONFIG',
  });
  await until(
    'two refusals',
    () => reader.events.filter(({ event }) => event === 'reload_refused').length === 2,
  );
  const refusals = reader.events.filter(({ event }) => event === 'reload_refused');
  t.match(refusals[0]!.data.errors, [/cannot listen/]);
  t.ok(refusals[1]!.data.errors.length > 1, 'every error');
  const ids = reader.events.map(({ id }) => id);
  t.strictSame(
    ids,
    [...ids].sort((x, y) => x - y),
  );

  void lb.balancer.close();
  await reader.event('draining');
});

t.test('names that fail, and panic', async t => {
  const port = await freePort();
  let works = false;
  const resolver = {
    addresses: async () => {
      if (!works) throw Object.assign(new Error('x'), { code: 'ENOTFOUND' });
      return [{ address: '127.0.0.1', ttl: 1 }];
    },
    srv: async () => [],
    cancel() {},
  };
  const lb = await startAdministered(
    t,
    oneService({
      backends: [`db.test:${port}`],
      health: { interval: '20ms', fall: 1, panic_threshold: 50 },
    }),
    {},
    { resolver },
  );
  const reader = await read(t, lb, 0);
  t.match(await reader.event('lookup_failed'), {
    data: { service: 'main', name: `db.test:${port}`, reason: 'name not found' },
  });
  works = true;
  await reader.event('lookup_recovered');
  t.match(await reader.event('backend_added'), { data: { address: `127.0.0.1:${port}` } });
  t.match(await reader.event('panic'), { data: { service: 'main', on: true } });
});

t.test('a reader that was away gets what it has missed', async t => {
  const behind = await backend(t, named('a'));
  const lb = await startAdministered(t, oneService({ backends: [behind.address] }));
  for (const weight of [2, 3, 4]) lb.balancer.setWeight('main', behind.address, weight);
  const first = await read(t, lb, 0);
  await until('all three', () => first.events.length === 3);
  const { id } = first.events[0]!;
  const second = await read(t, lb, id);
  await until('two', () => second.events.length === 2);
  t.strictSame(second.events, first.events.slice(1));
  lb.balancer.setWeight('main', behind.address, 5);
  await until('the new one', () => second.events.length === 3);
  t.equal(second.events[2]!.data.to, 5);
});

t.test('there are only so many streams, and each ends with the interface', async t => {
  const behind = await backend(t, named('a'));
  const lb = await startAdministered(t, oneService({ backends: [behind.address] }));
  const readers = await Promise.all(Array.from({ length: MAX_STREAMS }, () => read(t, lb)));
  t.match(await lb.api('GET', '/events'), { status: 503, json: { error: 'too many readers of events' } });
  readers.pop()!.close();
  await until('a place', async () => {
    const next = await read(t, lb);
    readers.push(next);
    return next.reply.statusCode === 200;
  });
  t.equal((await lb.api('HEAD', '/events')).status, 404, 'HEAD has no stream to end');
  lb.balancer.setWeight('main', behind.address, 9);
  await lb.admin.close();
  await until('the end', () => readers.every(({ ended }) => ended));
  t.ok(readers[0]!.reply.complete, 'no reader is cut off in the middle');
  t.equal(readers[0]!.events.at(-1)!.data.to, 9);
});

/** Streams of a hub behind an HTTP server of their own. */
async function streams(t: Test, keepAliveMs?: number) {
  const hub = new EventHub(error => {
    throw error;
  });
  const open = new EventStreams(
    { subscribe: listener => hub.subscribe(listener), eventsAfter: id => hub.after(id) },
    keepAliveMs,
  );
  const responses: ServerResponse[] = [];
  const path = join(folder(t), 'events.sock');
  const server = createServer((_, response) => {
    responses.push(response);
    open.start(response, undefined);
  }).listen(path);
  await once(server, 'listening');
  t.teardown(() => server.closeAllConnections());
  t.teardown(() => server.close());
  return { hub, path, responses };
}

t.test('a reader that does not read is cut off, and the others go on', async t => {
  const { hub, path, responses } = await streams(t);
  const slow = connect(path);
  t.teardown(() => slow.destroy());
  slow.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  slow.pause();
  await until('its stream', () => responses.length === 1);
  const quick = await EventReader.open(path);
  const changes = ['x'.repeat(10_000)];
  let sent = 0;
  let most = 0;
  await until('the cut', () => {
    hub.emit({ type: 'reloaded', changes, kept: 0 });
    sent++;
    most = Math.max(most, responses[0]!.writableLength);
    return responses[0]!.destroyed;
  });
  t.ok(most > MAX_UNREAD && most < MAX_UNREAD + 20_000, `at most ${most} bytes were kept for it`);
  await until('all at the quick one', () => quick.events.length === sent);
  t.notOk(quick.ended);
  quick.close();
});

t.test('a quiet stream shows that it lives', async t => {
  const { path } = await streams(t, 5);
  const reader = await EventReader.open(path);
  await until('comments', () => reader.text.split('\n:\n\n').length > 3);
  t.match(reader.text, /^retry: \d+\n\n/);
  reader.close();
});

import t from 'tap';
import { backend, echo } from '../fixtures/backends.js';
import { client } from '../fixtures/clients.js';
import { EventReader } from '../fixtures/event-reader.js';
import { MetricsPage } from '../fixtures/metrics.js';
import { echoes, udpBackend, udpPeer } from '../fixtures/udp.js';
import { until } from '../fixtures/until.js';
import { Upgradable } from '../fixtures/upgradable.js';

/** Without what the process is and how long it has run. */
function lasting(status: Record<string, unknown>): Record<string, unknown> {
  const { version: _, pid: __, uptime_seconds: ___, ...rest } = status;
  return rest;
}

interface Settled {
  readonly active: number;
  readonly backends: readonly { readonly last_check: object | null }[];
}

function isProbed({ last_check }: Settled['backends'][number]): boolean {
  return last_check !== null;
}

for (const engine of ['epoll', 'net'] as const) {
  const isEpoll = engine === 'epoll';

  t.test(`${engine}: status, counters, runtime changes and events are what they were`, async t => {
    const [a, b, c] = [await backend(t, echo), await backend(t, echo), await backend(t, echo)];
    const gone = await backend(t, echo);
    const echoing = await udpBackend(t, echoes);
    const health = { interval: '1h', timeout: '2s', fall: 1, passive_failures: 1 };
    const lb = await Upgradable.start(t, {
      runtime: { engine, threads: 2 },
      services: {
        main: {
          listen: '127.0.0.1:0',
          backends: [a.address, b.address, gone.address],
          strategy: 'round-robin',
          health,
          retry: { attempts: 3 },
        },
        dns: {
          protocol: 'udp',
          listen: '127.0.0.1:0',
          backends: [echoing.address],
          health: { ...health, kind: 'exchange', send: '?', expect: '?' },
        },
      },
    });
    const kept = client(t, lb.port);
    for (let i = 0; i < 6; i++) {
      const one = client(t, lb.port);
      one.finish(`hello ${i}`);
      await one.end();
    }
    kept.socket.write('before');
    await kept.reads(6);
    const flow = await udpPeer(t);
    t.equal(await flow.ask('ping', lb.program.port('dns')), 'ping');
    await gone.stop();
    for (let i = 0; i < 3; i++) {
      const one = client(t, lb.port);
      one.finish('x');
      await one.end();
    }
    const url = (id: string) => `/services/main/backends/${encodeURIComponent(id)}`;
    await lb.api('PATCH', url(a.address), { weight: 7 });
    await lb.api('PATCH', url(b.address), { state: 'drain' });
    await lb.api('POST', '/services/main/backends', { address: c.address, name: 'late' });
    await until('everything settled', async () => {
      const services = (await lb.api('GET', '/status')).json.services as Settled[];
      return services[0]!.active === 1 && services.every(one => one.backends.every(isProbed));
    });
    const before = (await lb.api('GET', '/status')).json;
    const metrics = new MetricsPage((await lb.api('GET', '/metrics')).text);
    const old = before.pid;

    const stdout = await lb.upgrade();
    t.match(stdout, isEpoll ? /1 connection and 1 flow kept, which stood still for/ : /listeners only/);
    const after = (await lb.api('GET', '/status')).json;
    t.not(after.pid, old);
    if (!isEpoll) {
      // Connections and flows end in the old process.
      for (const status of [before, after]) for (const one of status.services) one.active = 0;
      for (const status of [before, after])
        for (const one of status.services) for (const backend of one.backends) backend.active = 0;
    }
    t.strictSame(lasting(after), lasting(before));
    t.match(
      after.services[0].backends.find((one: { id: string }) => one.id === gone.address),
      { state: 'down' },
    );

    const again = new MetricsPage((await lb.api('GET', '/metrics')).text);
    const own = (page: MetricsPage) =>
      page.samples.filter(
        ({ name }) =>
          name.startsWith('lb4_') &&
          !/_info$|uptime|started/.test(name) &&
          (isEpoll || !/active|open|unassigned/.test(name)),
      );
    t.ok(own(metrics).length > 50);
    t.strictSame(own(again), own(metrics));

    kept.socket.write('after');
    await kept.reads(11);
    if (isEpoll) t.equal(await flow.ask('pong', lb.program.port('dns')), 'pong');
    const events = await EventReader.open(lb.admin.slice('unix:'.length), 0);
    await events.event('upgraded');
    const ids = events.events.map(({ id }) => id);
    t.strictSame(
      ids,
      ids.map((_, i) => i + 1),
      'no number twice, none left out',
    );
    t.ok(events.events.some(({ event }) => event === 'upgrade_step'));
    events.close();
  });

  t.test(
    `${engine}: the new configuration is in force after an upgrade, and what is gone drains`,
    async t => {
      const [a, b] = [await backend(t, echo), await backend(t, echo)];
      const runtime = { engine, drain_timeout: '1h' } as const;
      const listen = '127.0.0.1:0';
      const main = { listen, backends: [a.address, b.address], strategy: 'round-robin' as const };
      const lb = await Upgradable.start(t, {
        runtime,
        services: { main, old: { listen, backends: [a.address] } },
      });
      const [first, second] = [client(t, lb.port), client(t, lb.port)];
      const retired = client(t, lb.program.port('old'));
      for (const one of [first, second, retired]) {
        one.socket.write('hi');
        await one.reads(2);
      }
      const left = lb.program.port('old');
      lb.write({
        runtime,
        services: { main: { ...main, backends: [a.address] }, fresh: { listen, backends: [b.address] } },
      });
      const stdout = await lb.upgrade();
      t.match(stdout, /service old: removed/);
      t.match(stdout, /service fresh: added/);
      t.match(stdout, /backends removed \(draining\)/);
      const { json } = await lb.api('GET', '/status');
      t.strictSame(
        json.services.map(({ name }: { name: string }) => name),
        ['main', 'fresh'],
      );
      for (const one of [first, second, retired]) {
        one.socket.write('again');
        await one.reads(7);
      }
      const refused = client(t, left);
      t.equal(await until('an end', () => refused.closed && 'closed'), 'closed', 'nobody listens there');
      const port = Number(json.services[1].listen[0].split(':').at(-1));
      const fresh = client(t, port);
      fresh.finish('new');
      await fresh.end();
      t.equal(fresh.text, 'new');
      t.ok(stdout.trimEnd().split('\n').at(-1)!.startsWith('upgraded'), stdout);
      // And once more, with a service that is on its way out.
      await lb.upgrade();
      retired.socket.write('still');
      if (isEpoll) await retired.reads(12);
    },
  );
}

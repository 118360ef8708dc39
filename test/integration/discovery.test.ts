import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { systemResolver } from '../../src/discovery/system.js';
import { startAdministered } from '../fixtures/api.js';
import { backend, echo, freePort, named, type TestBackend } from '../fixtures/backends.js';
import { config } from '../fixtures/balancer.js';
import { ask, client } from '../fixtures/clients.js';
import { EventReader } from '../fixtures/event-reader.js';
import { folder } from '../fixtures/program.js';
import { until } from '../fixtures/until.js';
import { execute, needs } from './programs.js';
import { Server } from './servers.js';

/** dnsmasq with names of the test, which may change while it runs. Answers are good for `ttl` seconds. */
class NameServer {
  readonly address: string;
  private readonly port: number;
  private readonly dir: string;
  private readonly t: Test;
  private readonly ttl: number;
  private server: Server | undefined;

  constructor(t: Test, port: number, ttl = 1) {
    this.t = t;
    this.ttl = ttl;
    this.port = port;
    this.dir = folder(t);
    this.address = `127.0.0.1:${port}`;
  }

  /** `hosts` as in /etc/hosts. */
  async start(hosts: string, ...options: readonly string[]): Promise<void> {
    writeFileSync(this.hosts, hosts);
    this.server = new Server(this.t, 'dnsmasq', [
      ...['--no-daemon', '--conf-file=/dev/null', '--pid-file=', '--no-resolv', '--no-hosts', '--user='],
      ...[
        '--listen-address=127.0.0.1',
        '--bind-interfaces',
        `--port=${this.port}`,
        `--local-ttl=${this.ttl}`,
      ],
      ...[`--addn-hosts=${this.hosts}`, '--address=/ready.test/127.0.0.1', '--log-queries', ...options],
    ]);
    this.server.start();
    await this.server.ready(async () => {
      const words = ['@127.0.0.1', '-p', String(this.port), '+short', '+tries=1', '+time=1', 'ready.test'];
      return (await execute('dig', words)).stdout.trim() === '127.0.0.1';
    });
  }

  async stop(): Promise<void> {
    await this.server!.kill();
  }

  /** Answer otherwise from now on. */
  async change(hosts: string): Promise<void> {
    writeFileSync(this.hosts, hosts);
    const before = this.server!.output.length;
    this.server!.signal('SIGHUP');
    await until('dnsmasq has read it', () => this.server!.output.slice(before).includes(this.hosts));
  }

  /** How often it was asked for the addresses of a name. */
  asked(name: string): number {
    return this.server!.output.split(`query[A] ${name} `).length - 1;
  }

  /** This machine, as if it had no other name server and nothing in /etc/hosts. */
  resolver() {
    const files = { hosts: join(this.dir, 'none'), resolvConf: join(this.dir, 'none') };
    return systemResolver({ ...files, servers: [this.address], timeoutMs: 500, tries: 1 });
  }

  private get hosts(): string {
    return join(this.dir, 'names');
  }
}

/** Backends that say their name, at 127.0.0.2, .3, … on one port. */
async function neighbours(
  t: Test,
  ...names: readonly string[]
): Promise<{ port: number; all: TestBackend[] }> {
  const port = await freePort('127.0.0.2');
  const all = await Promise.all(
    names.map((name, i) => backend(t, name === '' ? echo : named(name), { host: `127.0.0.${i + 2}`, port })),
  );
  return { port, all };
}

const health = { kind: 'none' as const };

t.test(
  'a name is followed by its TTL, and an address that vanishes drains',
  needs('dnsmasq', 'dig'),
  async t => {
    const { port } = await neighbours(t, 'a', 'b', 'c');
    const dns = new NameServer(t, await freePort());
    await dns.start('127.0.0.2 db.test\n127.0.0.3 db.test\n');
    const input = { listen: '127.0.0.1:0', strategy: 'first', backends: [`db.test:${port}`], health };
    const lb = await startAdministered(
      t,
      config({ main: input }, { drain_timeout: '2s' }),
      {},
      { resolver: dns.resolver() },
    );
    const reader = await EventReader.open(lb.admin.address!.slice('unix:'.length), 0);
    t.teardown(() => reader.close());
    const ids = () => lb.service().backends.map(({ id, address }) => `${id} ${address}`);
    t.strictSame(ids(), [`db.test:${port} 127.0.0.2:${port}`, `db.test:${port}@127.0.0.3 127.0.0.3:${port}`]);
    // With the 10 s of a name whose TTL is not known this would outlast the test's patience.
    await until('asked four times', () => dns.asked('db.test') >= 4);

    const held = client(t, lb.port());
    await held.reads(1);
    t.equal(held.text, 'a');
    await dns.change('127.0.0.3 db.test\n');
    const removed = await reader.event('backend_removed');
    t.match(removed.data, {
      service: 'main',
      backend: `db.test:${port}`,
      address: `127.0.0.2:${port}`,
      active: 1,
      reason: 'its name no longer resolves to it',
    });
    t.equal(await ask(t, lb.port(), 'q'), 'bq', 'nothing new goes there');
    await held.write('still');
    await held.reads(6);
    t.equal(held.text, 'astill', 'what is open lives on');
    await held.end();
    t.match(await until('its line', () => lb.log.connections.find(({ reason }) => reason === 'drained')), {
      backend: `db.test:${port}`,
      bytes_in: 5,
    });

    await dns.stop();
    t.match(await reader.event('lookup_failed'), { data: { service: 'main', name: `db.test:${port}` } });
    t.equal(await ask(t, lb.port(), 'q'), 'bq', 'the last good answer stands');
    await dns.start('127.0.0.4 db.test\n');
    await reader.event('lookup_recovered');
    await until('the new one', async () => (await ask(t, lb.port(), 'q')) === 'cq');
    t.equal(lb.service().backends.length, 1);
  },
);

t.test('SRV: targets, ports, weights and priorities as they change', needs('dnsmasq', 'dig'), async t => {
  const { port } = await neighbours(t, 'a', 'b');
  const dns = new NameServer(t, await freePort());
  const hosts = '127.0.0.2 a.test\n127.0.0.3 b.test\n';
  const record = (target: string, priority: number, weight: number) =>
    `--srv-host=_pg._tcp.test,${target},${port},${priority},${weight}`;
  await dns.start(hosts, record('a.test', 10, 60), record('b.test', 20, 5));
  const input = { listen: '127.0.0.1:0', backends: ['srv:_pg._tcp.test'], health };
  const lb = await startAdministered(t, config({ main: input }), {}, { resolver: dns.resolver() });
  const list = () => lb.service().backends.map(({ id, weight }) => `${id} ${weight}`);
  t.strictSame(list(), [`a.test:${port} 60`, `b.test:${port} 5`]);
  for (let i = 0; i < 3; i++) t.equal(await ask(t, lb.port(), 'q'), 'aq', 'the other priority is a backup');
  await dns.stop();
  await dns.start(hosts, record('b.test', 5, 7));
  await until('the change', () => list().join() === `b.test:${port} 7`);
  t.equal(await ask(t, lb.port(), 'q'), 'bq');
});

t.test('names that hang hold up neither the start nor other names', needs('dnsmasq', 'dig'), async t => {
  const { port, all } = await neighbours(t, 'a', 'b');
  const hole = createSocket('udp4').bind(0, '127.0.0.1');
  await once(hole, 'listening');
  t.teardown(() => hole.close());
  const dns = new NameServer(t, await freePort());
  await dns.start('127.0.0.2 db.test\n', `--server=/slow.test/127.0.0.1#${hole.address().port}`);
  const service = (backends: string[]) => ({ listen: '127.0.0.1:0', strategy: 'first', backends, health });
  const hanging = Array.from({ length: 12 }, (_, i) => `n${i}.slow.test:${port}`);
  const lb = await startAdministered(
    t,
    config({
      named: service([...hanging, `db.test:${port}`]),
      literal: service([`nowhere.test:${port}`, all[1]!.address]),
      lost: service(hanging),
    }),
    {},
    { resolver: dns.resolver() },
  );
  t.equal(await ask(t, lb.port('named'), 'q'), 'aq');
  t.equal(await ask(t, lb.port('literal'), 'q'), 'bq');
  t.equal(await ask(t, lb.port('lost')), '', 'it listens, and has nobody');
  const failed = await until('all are told', () => {
    const lines = lb.log.all.filter(({ msg }) => msg === 'name look-up failed');
    return lines.length >= 25 ? lines : undefined;
  });
  t.equal(failed.filter(({ reason }) => reason === 'the name server refused to answer').length, 1);
});

t.test(
  'a backend that goes down has its name looked up at once, however long the TTL',
  needs('dnsmasq', 'dig'),
  async t => {
    const { port, all } = await neighbours(t, 'a', 'b');
    const dns = new NameServer(t, await freePort(), 3_600);
    await dns.start('127.0.0.2 db.test\n');
    const input = {
      listen: '127.0.0.1:0',
      backends: [`db.test:${port}`],
      health: { interval: '50ms', timeout: '1s', fall: 1, rise: 1 },
    };
    const lb = await startAdministered(t, config({ main: input }), {}, { resolver: dns.resolver() });
    t.equal(await ask(t, lb.port(), 'q'), 'aq');
    t.equal(dns.asked('db.test'), 1);
    await dns.change('127.0.0.3 db.test\n');
    await all[0]!.stop();
    await until('the new address', async () => (await ask(t, lb.port(), 'q')) === 'bq');
    t.strictSame(
      lb.service().backends.map(({ address }) => address),
      [`127.0.0.3:${port}`],
    );
  },
);

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { type Bind, formatAddress, parseTarget } from '../src/address.js';
import { type Balancer, createBalancer } from '../src/balancer.js';
import { loadConfigFile } from '../src/config/load.js';
import type { Config, ServiceConfig } from '../src/config/schema.js';
import type { ServiceSnapshot } from '../src/control/snapshot.js';
import { backend } from './fixtures/backends.js';
import { ENGINE } from './fixtures/balancer.js';
import { client } from './fixtures/clients.js';
import { obliging } from './fixtures/obliging.js';
import { folder } from './fixtures/program.js';
import { askUntilAnswered, echoes, udpBackend, udpPeer } from './fixtures/udp.js';
import { until } from './fixtures/until.js';

/** Compiled tests lie in dist/test. */
const FOLDER = fileURLToPath(new URL('../../configs/', import.meta.url));
const FILES = readdirSync(FOLDER).filter(name => name.endsWith('.toml'));
/** What the examples take from the environment. */
const ENV = {
  ...{ CACHE_1: '10.0.1.21', CACHE_2: '10.0.1.22', CHECK_INTERVAL: '1s' },
  ...{ LB4_PG_PASSWORD: 'x', LB4_REDIS_PASSWORD: 'x' },
};

/** The same service with free listeners on loopback, and a live backend in the place of each that the file names. */
async function here(t: Test, service: ServiceConfig): Promise<ServiceConfig> {
  const dir = folder(t);
  const path = (i: number, side: string): string => join(dir, `${side}${i}.sock`);
  const listen = service.listen.map<Bind>((bind, i) =>
    bind.kind === 'unix' ? { ...bind, path: path(i, 'l') } : { kind: 'ip', host: '127.0.0.1', port: 0 },
  );
  const backends = service.backends.map(async (entry, i) => {
    const isUnix = entry.address.kind === 'unix';
    const { address } =
      service.protocol === 'udp'
        ? await udpBackend(t, echoes)
        : await backend(t, obliging(i === 0 ? 'primary' : 'replica'), isUnix ? { path: path(i, 'b') } : {});
    return { ...entry, address: parseTarget(address) };
  });
  // They answer probes where they answer clients.
  const health = { ...service.health, port: 0 };
  return Object.freeze({ ...service, listen, health, backends: await Promise.all(backends) });
}

/** The file's configuration as it can be run on this machine. */
async function runnable(t: Test, config: Config): Promise<Config> {
  const services = Object.values(config.services).map(async service => [
    service.name,
    await here(t, service),
  ]);
  return Object.freeze({
    ...config,
    runtime: { ...config.runtime, engine: ENGINE },
    services: Object.freeze(Object.fromEntries(await Promise.all(services))),
  });
}

/** Something through each listener, and back. */
async function pass(t: Test, balancer: Balancer, config: Config): Promise<void> {
  for (const { service, address } of balancer.addresses) {
    const { protocol, proxy_protocol } = config.services[service]!;
    const at = parseTarget(address);
    const port = at.kind === 'ip' ? at.port : 0;
    if (protocol === 'udp') {
      t.equal(await askUntilAnswered(await udpPeer(t), 'hello', port), 'hello', `${service} on ${address}`);
      continue;
    }
    const peer = client(t, at.kind === 'unix' ? { path: at.path } : port);
    if (proxy_protocol.accept !== 'off') peer.socket.write('PROXY TCP4 10.1.1.1 10.1.1.2 1000 443\r\n');
    peer.finish('hello');
    await peer.end();
    t.match(peer.text, /hello$/, `${service} on ${address}`);
  }
}

t.test('there is an example for each feature', async t => {
  for (const name of ['postgres', 'redis', 'udp-dns', 'weighted-canary', 'active-standby', 'ip-hash']) {
    t.ok(FILES.includes(`${name}.toml`), name);
  }
  for (const name of ['access-and-limits', 'proxy-protocol', 'discovery', 'health', 'all-options']) {
    t.ok(FILES.includes(`${name}.toml`), name);
  }
});

for (const name of FILES) {
  t.test(`configs/${name} loads, runs and lets traffic through`, async t => {
    const { config, issues } = loadConfigFile(join(FOLDER, name), ENV);
    t.strictSame(issues, [], 'no warnings');
    const mine = await runnable(t, config);
    const balancer = createBalancer(mine);
    t.teardown(() => balancer.destroy());
    await balancer.start();
    const listeners = Object.values(config.services).flatMap(({ listen }) => listen.map(formatAddress));
    t.equal(balancer.addresses.length, listeners.length);
    const someUp = ({ backends }: ServiceSnapshot) => backends.some(({ state }) => state === 'up');
    for (const { name, health } of Object.values(mine.services)) {
      if (health.role === 'any') continue;
      await until(`the roles of ${name}`, () =>
        balancer
          .snapshot()
          .services.filter(one => one.name === name)
          .every(someUp),
      );
    }
    await pass(t, balancer, mine);
  });
}

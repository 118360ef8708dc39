/**
 * Writes docs/dashboard.png and docs/dashboard-phone.png: the dashboard of a real instance under some load, with one of
 * its servers stopped. Needs Chromium; `node dist/scripts/screenshots.js`.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium, type Page } from 'playwright-core';
import { Admin } from '../src/admin/admin.js';
import { createBalancer } from '../src/balancer.js';
import { parseConfigObject } from '../src/config/parse.js';
import { silentLogger } from '../src/log.js';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
];
const VIEWS = [
  { path: 'docs/dashboard.png', options: { viewport: { width: 1100, height: 700 } } },
  {
    path: 'docs/dashboard-phone.png',
    options: { viewport: { width: 390, height: 844 }, colorScheme: 'dark' as const },
  },
];

/** An echo that takes its time. */
async function server(delayMs: number) {
  const listening = createServer(socket => {
    socket.on('error', () => {});
    socket.on('data', data => setTimeout(() => socket.end(data), delayMs));
  }).listen(0, '127.0.0.1');
  await once(listening, 'listening');
  return { listening, address: `127.0.0.1:${(listening.address() as AddressInfo).port}` };
}

const servers = await Promise.all([5, 8, 12].map(server));
const backends = servers.map(({ address }, i) => ({ address, name: `db${i + 1}`, weight: i === 0 ? 2 : 1 }));
const health = { interval: '500ms', timeout: '300ms' };
const listen = '127.0.0.1:0';
const config = parseConfigObject({
  name: 'edge',
  admin: { listen },
  services: {
    'pg-rw': { listen, backends, health, strategy: 'weighted-round-robin' },
    'pg-ro': { listen, backends: backends.slice(1), health },
  },
});
const balancer = createBalancer(config, { logger: silentLogger() });
const admin = new Admin({
  balancer,
  log: silentLogger(),
  reload: () => Promise.reject(new Error('no file')),
  upgrade: () => Promise.reject(new Error('no program')),
});
await balancer.start();
(await admin.prepare(config)).commit();

function load(): void {
  for (const { service, address } of balancer.addresses) {
    const port = Number(address.split(':').at(-1));
    for (let i = 0; i < (service === 'pg-rw' ? 12 : 5); i++) {
      const client = connect(port, '127.0.0.1', () => client.write('x'.repeat(200 + Math.random() * 2_000)));
      client.on('data', () => client.end());
      client.on('error', () => {});
    }
  }
}

const ticking = setInterval(load, 50 + Math.random() * 20);
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: FLAGS });
const pages: Page[] = [];
for (const { options } of VIEWS) {
  const page = await (await browser.newContext(options)).newPage();
  await page.goto(`http://${admin.address}/`);
  pages.push(page);
}
await sleep(15_000);
servers[2]!.listening.close();
await sleep(8_000);
for (const [i, page] of pages.entries()) await page.screenshot({ path: VIEWS[i]!.path });
await browser.close();
clearInterval(ticking);
await admin.close();
await balancer.destroy();
process.exit(0);

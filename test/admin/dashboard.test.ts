import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { ConfigInput } from '../../src/config/schema.js';
import { startAdministered } from '../fixtures/api.js';
import { backend, named } from '../fixtures/backends.js';
import { config } from '../fixtures/balancer.js';
import { visit } from '../fixtures/browser.js';
import { ask, client } from '../fixtures/clients.js';
import { folder } from '../fixtures/program.js';
import { until } from '../fixtures/until.js';
import { needs } from '../integration/programs.js';

/** Two backends behind the service `pg`, checked often. */
async function start(t: Test, admin: Partial<NonNullable<ConfigInput['admin']>> = {}) {
  const servers = [await backend(t, named('a')), await backend(t, named('b'))] as const;
  const backends = servers.map(({ address }, i) => ({ address, name: `db${i + 1}` }));
  const health = { interval: '100ms', timeout: '100ms', fall: 1, rise: 1 };
  const pg = { listen: '127.0.0.1:0', strategy: 'round-robin' as const, backends, health };
  const lb = await startAdministered(t, {
    ...config({ pg }),
    admin: { listen: '127.0.0.1:0', ...admin },
  });
  return { lb, servers, url: `http://${lb.admin.address}/` };
}

const options = needs('chromium');

t.test('shows services, a backend that goes down, and drains one by click', options, async t => {
  const { lb, servers, url } = await start(t);
  const { page, requests, faults } = await visit(t, url);
  const state = (id: string) => page.getByRole('row', { name: id }).locator('.state');
  await page.getByRole('heading', { name: 'pg' }).waitFor();
  for (const id of ['db1', 'db2'])
    await until(`${id} is up`, async () => (await state(id).textContent()) === 'up');

  for (let i = 0; i < 4; i++) await ask(t, lb.port('pg'), 'hello');
  client(t, lb.port('pg'));
  const open = page.getByRole('row', { name: 'db1' }).locator('.active');
  await until('what is open is shown as it is counted', async () => (await open.textContent()) === '1');
  const rate = page.getByRole('row', { name: 'db1' }).locator('.rate');
  await until('a rate is shown', async () => (await rate.textContent()) !== '0');

  await servers[1].stop();
  await until('down is shown', async () => (await state('db2').textContent()) === 'down');
  t.match(
    await page.getByRole('row', { name: 'db2' }).locator('.why').textContent(),
    /refused|reset/,
    'and why',
  );

  const events = page.getByRole('region', { name: 'Events' });
  await until('the event', async () =>
    /pg\/db2: down: .*(refused|reset)/.test((await events.textContent()) ?? ''),
  );

  await page.getByRole('button', { name: 'Drain: db1' }).click();
  await until('draining', () => lb.service('pg').backends[0]!.state === 'draining');
  await until('it is shown', async () => (await state('db1').textContent()) === 'draining');
  t.equal(await page.getByRole('button', { name: 'Drain: db1' }).getAttribute('aria-pressed'), 'true');
  t.strictSame(faults, []);
  t.strictSame(
    requests.filter(one => !one.startsWith(url)),
    [],
    'nothing comes from elsewhere',
  );
});

t.test('works by keyboard, on a phone and in the dark', options, async t => {
  const { lb, url } = await start(t);
  const phone = { viewport: { width: 360, height: 740 }, colorScheme: 'dark' as const };
  const { page } = await visit(t, url, phone);
  await page.getByRole('row', { name: 'db1' }).waitFor();
  const width = await page.evaluate('document.documentElement.scrollWidth');
  t.ok(Number(width) <= 360, `nothing is wider than the screen (${width})`);
  t.equal(await page.evaluate('getComputedStyle(document.body).backgroundColor'), 'rgb(20, 23, 22)');

  const focused = () => page.evaluate("document.activeElement.getAttribute('aria-label')");
  const tabTo = (label: string) =>
    until(`the focus reaches ${label}`, async () => {
      await page.keyboard.press('Tab');
      return (await focused()) === label;
    });
  await tabTo('Weight of db1');
  await page.keyboard.type('7');
  await page.keyboard.press('Tab');
  await until('the weight', () => lb.service('pg').backends[0]!.weight === 7);
  const changed = page.getByRole('row', { name: 'db1' }).locator('.changed');
  await until('it is marked', async () => (await changed.textContent()) === 'changed while running: weight');
  await tabTo('Maint: db1');
  await page.keyboard.press('Enter');
  await until('maintenance', () => lb.service('pg').backends[0]!.state === 'maintenance');
});

t.test('says so when lb4 does not answer, and recovers', options, async t => {
  const { lb, url } = await start(t);
  const { page } = await visit(t, url);
  const link = page.getByRole('status');
  await until('live', async () => (await link.textContent()) === 'live');
  await page.route('**/status', route => route.abort());
  await until('lost', async () => (await link.textContent()) === 'lb4 does not answer');
  await page.unroute('**/status');
  await until('live again', async () => (await link.textContent()) === 'live');
  t.equal(lb.service('pg').backends.length, 2);
});

t.test('asks for the token where there is one', options, async t => {
  const token = join(folder(t), 'token');
  writeFileSync(token, 'a-long-enough-secret-token\n', { mode: 0o600 });
  const { url } = await start(t, { token_file: token });
  const { page } = await visit(t, url);
  const field = page.getByLabel('Token of this instance');
  await field.waitFor();
  t.equal(await page.getByRole('row', { name: 'db1' }).count(), 0, 'nothing is told before');
  await field.fill('wrong');
  await page.keyboard.press('Enter');
  await field.waitFor();
  await field.fill('a-long-enough-secret-token');
  await page.keyboard.press('Enter');
  await page.getByRole('row', { name: 'db1' }).waitFor();
  t.equal(await field.isVisible(), false);
});

t.test('names that look like HTML stay text', options, async t => {
  const evil = await backend(t, named('a'));
  const lb = await startAdministered(t, {
    ...config({ pg: { listen: '127.0.0.1:0', backends: [evil.address] } }),
    admin: { listen: '127.0.0.1:0' },
  });
  const { page, faults } = await visit(t, `http://${lb.admin.address}/`);
  await page.route('**/status', async route => {
    const answer = lb.balancer.snapshot();
    const [service] = answer.services;
    const id = '<img src=x onerror=fault()>';
    const backends = [{ ...service!.backends[0]!, id, down_reason: '<b>x</b>', state: 'down' }];
    await route.fulfill({ json: { ...answer, services: [{ ...service, backends }] } });
  });
  const why = page.locator('.why');
  await until('the reason', async () => (await why.textContent()) === '<b>x</b>');
  t.equal(await page.locator('tbody img, .why b').count(), 0);
  t.strictSame(faults, []);
});

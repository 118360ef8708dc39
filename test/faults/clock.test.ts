import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { backend, echo, freePort } from '../fixtures/backends.js';
import { blackHole } from '../fixtures/black-hole.js';
import { ask, client } from '../fixtures/clients.js';
import { Lab } from '../fixtures/lab.js';
import { holds, until } from '../fixtures/until.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const MAD = new URL('../fixtures/mad-clock.js', import.meta.url).href;

t.test('the time of day jumps by days: timeouts, checks and rates go by the monotonic clock', async t => {
  const server = await backend(t, echo);
  const hole = await blackHole(t);
  const back = await freePort();
  const listen = '127.0.0.1:0';
  const none = { kind: 'none' as const };
  const lab = await Lab.start(
    t,
    {
      patient: { listen, backends: [server.address], health: none, timeouts: { idle: '1h' } },
      idle: { listen, backends: [server.address], health: none, timeouts: { idle: '400ms' } },
      slow: { listen, backends: [hole.address], health: none, timeouts: { connect: '300ms' } },
      checked: {
        listen,
        backends: [`127.0.0.1:${back}`],
        health: { kind: 'tcp' as const, interval: '100ms', timeout: '1s', fall: 2 },
      },
      limited: { listen, backends: [server.address], health: none, connection_rate: '5/s' },
    },
    { env: { NODE_OPTIONS: `--import=${MAD}` } },
  );
  const patient = client(t, lab.port('patient'));
  await patient.write('x');
  await patient.reads(1);

  const idle = client(t, lab.port('idle'));
  await idle.write('x');
  await idle.end();
  idle.socket.destroy();
  await ask(t, lab.port('slow'), 'x');
  const lines = await lab.log.finished(2);
  for (const [service, reason, least] of [
    ['idle', 'idle_timeout', 395],
    ['slow', 'connect_timeout', 295],
  ] as const) {
    const line = lines.find(one => one.service === service)!;
    t.equal(line.reason, reason);
    t.ok(line.duration_ms >= least && line.duration_ms < 20_000, `${line.duration_ms} ms`);
  }

  const state = async () => (await lab.status()).services.find(one => one.name === 'checked')!.backends[0]!;
  await until('it is down', async () => (await state()).state === 'down');
  const risen = await backend(t, echo, { port: back });
  await until('it is up', async () => (await state()).state === 'up');
  t.equal(await ask(t, lab.port('checked'), 'x'), 'x');
  await risen.stop();

  const burst = Array.from({ length: 20 }, () => ask(t, lab.port('limited'), 'x').catch(() => ''));
  const served = (await Promise.all(burst)).filter(answer => answer === 'x').length;
  t.ok(served >= 4 && served < 20, `${served} of a burst of 20`);

  await holds('a connection that may rest is left alone', () => patient.ending === undefined, 300);
  await patient.write('y');
  await patient.reads(2);
  patient.finish();
  await lab.audit(t, lab.log.connections.length + 1);
  const times = lab.log.all.map(({ time }) => Date.parse(String(time)));
  const spread = Math.max(...times) - Math.min(...times);
  t.ok(spread > 86_400_000, `the clock did jump: ${spread} ms`);
});

t.test('nothing but what is shown to people asks for the time of day', async t => {
  // A stamp on an event, and on a finished probe.
  const stamps = ['src/control/events.ts', 'src/control/service.ts'];
  const files = ['src', 'strategies'].flatMap(folder =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.ts'))
      .map(name => join(folder, name)),
  );
  const asking = files.filter(file =>
    /Date\.now\(|new Date\(\)/.test(readFileSync(join(ROOT, file), 'utf8')),
  );
  t.strictSame(
    asking.filter(file => !stamps.includes(file)),
    [],
  );
  t.ok(files.length > 200, `${files.length} files were read`);
});

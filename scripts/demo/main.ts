import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Load, type Outcome } from './load.js';
import { DemoBackend, DemoBalancer, type LogLine } from './processes.js';
import { bar, COLUMN, heading, paint, say } from './screen.js';

const COLOURS = ['cyan', 'magenta', 'yellow'] as const;
const CLIENTS = 12;
const PAUSE_MS = 10;
const ROW_MS = 500;

const keep = process.argv.includes('--keep');
const backends = ['one', 'two', 'three'].map(name => new DemoBackend(name));
const victim = backends[1]!;
/** Client ports whose connection lb4 had given to the backend that was killed. */
const onVictim = new Set<number>();

/** What a signal ends this with: an error, until there is nothing more to do than wait for it. */
let signalled = 130;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => process.exit(signalled));
}

function onLog({ msg, backend, reason, client }: LogLine): void {
  if (msg === 'connection' && backend === victim.address && String(reason).startsWith('backend_')) {
    onVictim.add(Number(String(client).split(':').at(-1)));
  }
  if (!msg.startsWith('backend is ')) return;
  const name = backends.find(one => one.address === backend)?.name ?? backend;
  const style = msg.endsWith('down') ? 'red' : 'green';
  say(paint(style, `        lb4: ${msg}: ${name} (${reason})`));
}

/** Show the load for `rows` half seconds, one line each; resolves to what happened meanwhile. */
async function watch(load: Load, rows: number): Promise<readonly Outcome[]> {
  const start = load.outcomes.length;
  for (let i = 0; i < rows; i++) {
    const from = load.outcomes.length;
    await sleep(ROW_MS);
    const slice = load.outcomes.slice(from);
    const counts = backends.map(({ name }) => slice.filter(one => one.backend === name).length);
    const most = Math.max(...counts);
    say(`        ${counts.map((count, b) => bar(COLOURS[b]!, count, most)).join('   ')}`);
  }
  return load.outcomes.slice(start);
}

function spread(outcomes: readonly Outcome[]): string {
  const share = backends.map(({ name }) => {
    const count = outcomes.filter(one => one.backend === name).length;
    return `${name} ${((100 * count) / Math.max(1, outcomes.length)).toFixed(0)} %`;
  });
  return share.join(', ');
}

async function main(): Promise<number> {
  await Promise.all(backends.map(backend => backend.start()));
  const to = backends.map(backend => backend.address).join(',');
  const args = ['--listen', '127.0.0.1:0', '--to', to, '--check-interval', '200ms', '--admin', 'off'];
  const lb4 = new DemoBalancer(args, onLog);
  await lb4.ready;

  heading('lb4 balances a port over three servers');
  say(`  $ lb4 --listen 127.0.0.1:${lb4.port} ${args.slice(2).join(' ')}`);
  say(`  ${CLIENTS} clients, a new connection for each request; one line is half a second:\n`);
  say(`        ${backends.map(({ name }) => name.padEnd(COLUMN)).join('   ')}`);
  const load = new Load(lb4.port, CLIENTS, PAUSE_MS);
  const before = await watch(load, 4);

  heading(`  kill -9 the server "${victim.name}", under load`);
  await victim.kill();
  const during = await watch(load, 6);

  heading(`  start "${victim.name}" again`);
  await victim.start();
  const after = await watch(load, 6);
  await load.stop();
  const ok = judge(load.outcomes, before, during, after);

  if (keep) return await leaveUp(lb4);
  const code = await lb4.stop();
  return ok && code === 0 ? 0 : 1;
}

function judge(
  all: readonly Outcome[],
  before: readonly Outcome[],
  during: readonly Outcome[],
  after: readonly Outcome[],
): boolean {
  const failed = all.filter(one => one.error !== '');
  const cut = failed.filter(one => onVictim.has(one.localPort));
  const errors = failed.length - cut.length;
  const slowest = Math.max(...all.map(one => one.ms));
  heading('What the clients saw');
  say(`  three servers:     ${spread(before)}`);
  say(`  "${victim.name}" killed:      ${spread(during)}`);
  say(`  "${victim.name}" back:        ${spread(after)}`);
  say(`  requests:          ${all.length}, the slowest took ${slowest.toFixed(0)} ms`);
  say(`  errors:            ${errors === 0 ? paint('green', '0') : paint('red', String(errors))}`);
  if (cut.length > 0) {
    say(
      `  cut off:           ${cut.length} (being answered by "${victim.name}" at the instant it was killed; lb4 cannot save\n` +
        '                     those, because what a client has sent it does not send twice)',
    );
  }
  for (const text of new Set(failed.filter(one => !cut.includes(one)).map(one => one.error)))
    say(`    ${text}`);
  const returned = after.some(one => one.backend === victim.name);
  if (!returned) say(paint('red', `  "${victim.name}" got no traffic after its return`));
  return errors === 0 && returned;
}

async function leaveUp(lb4: DemoBalancer): Promise<number> {
  signalled = 0;
  heading(`Still up: 127.0.0.1:${lb4.port}. Ctrl-C ends everything.`);
  say(`  $ echo hello | nc 127.0.0.1 ${lb4.port}`);
  for (const { name, pid } of backends) say(`  $ kill -9 ${pid}    # the server "${name}"`);
  say(`  $ kill ${lb4.child.pid}       # lb4 itself`);
  await once(lb4.child, 'close');
  return 0;
}

try {
  process.exit(await main());
} catch (error) {
  say(paint('red', `quickstart failed: ${(error as Error).message}`));
  process.exit(1);
}

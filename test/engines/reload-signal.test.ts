import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { ConfigInput } from '../../src/config/schema.js';
import { backend, echo, named } from '../fixtures/backends.js';
import { ENGINE, oneService } from '../fixtures/balancer.js';
import { ask, client } from '../fixtures/clients.js';
import { folder, Program, writeConfig } from '../fixtures/program.js';
import { until } from '../fixtures/until.js';

/** lb4 with a file that can be changed. */
async function running(t: Parameters<typeof backend>[0], input: ConfigInput) {
  const path = join(folder(t), 'lb4.toml');
  writeConfig(path, input);
  const lb = await new Program(t, ['-c', path]).ready();
  const count = (msg: RegExp) => lb.log.all.filter(line => msg.test(line.msg)).length;
  /** SIGHUP, and wait until it was dealt with. */
  const hup = async () => {
    const before = count(/^reload/);
    process.kill(lb.pid, 'SIGHUP');
    await until('the reload', () => count(/^reload/) > before);
    return lb.log.all.findLast(({ msg }) => msg.startsWith('reload'))!;
  };
  const reload = (next: ConfigInput) => {
    writeConfig(path, next);
    return hup();
  };
  return { lb, path, hup, reload };
}

t.test('30 times SIGHUP under load: no connect fails, held connections live', async t => {
  const list = await Promise.all([1, 2, 3].map(() => backend(t, echo)));
  const input = (round: number) =>
    oneService({
      backends: list.map(({ address }) => address).filter((_, i) => i !== round % 4),
      strategy: (['round-robin', 'maglev'] as const)[round % 2],
    });
  const { lb, reload } = await running(t, input(0));
  const port = lb.port();
  const held = Array.from({ length: 5 }, () => client(t, port));
  for (const peer of held) await peer.write('0');
  let going = true;
  let served = 0;
  const failed: string[] = [];
  const loaders = Array.from({ length: 6 }, async () => {
    while (going) {
      const answer = await ask(t, port, 'ping').catch(error => String(error));
      if (answer === 'ping') served++;
      else failed.push(answer);
    }
  });
  for (let round = 1; round <= 30; round++) {
    t.equal((await reload(input(round))).msg, 'reloaded');
    for (const peer of held) await peer.write('x');
  }
  going = false;
  await Promise.all(loaders);
  t.strictSame(failed, [], `${served} connections, none failed`);
  for (const peer of held) {
    await peer.reads(31);
    t.equal(peer.text, `0${'x'.repeat(30)}`);
  }
});

t.test('a bad file: every error in the log, nothing changes', async t => {
  const behind = await backend(t, echo);
  const { lb, path, hup } = await running(t, oneService({ backends: [behind.address] }));
  const good = readFileSync(path, 'utf8');
  writeFileSync(
    path,
    '[services.main]\nlisten = "127.0.0.1:0"\nstrategy = "roundrobin"\nbackends = ["x y"]\nlimit = 3\n',
  );
  const refused = await hup();
  t.match(refused, { level: 50, msg: 'reload refused: nothing was changed' });
  const errors = refused.errors as string[];
  t.equal(errors.length, 3);
  t.ok(
    errors.every(line => line.startsWith(`${path}:`)),
    'each with its place',
  );
  t.match(errors.join('\n'), /roundrobin.*did you mean "round-robin"/);
  t.equal(await ask(t, lb.port(), 'x'), 'x');
  writeFileSync(path, 'this is not TOML');
  t.match(await hup(), { level: 50 });
  const taken = await backend(t, echo);
  writeConfig(path, oneService({ listen: taken.address, backends: [behind.address] }));
  t.match(await hup(), { level: 50, errors: [/^cannot listen on .*address already in use$/] });
  t.equal(await ask(t, lb.port(), 'x'), 'x');
  writeFileSync(path, good);
  t.match(await hup(), { level: 30, msg: 'reloaded', changes: ['nothing changed'] });
  t.equal(await ask(t, lb.port(), 'x'), 'x');
});

t.test(
  'log.level, log.connections and drain_timeout take effect; the rest says that it does not',
  async t => {
    const list = await Promise.all(['a', 'b'].map(name => backend(t, named(name))));
    const [a, b] = list.map(({ address }) => address);
    const input = (backends: string[], log: ConfigInput['log'], runtime = {}): ConfigInput => ({
      ...oneService({ strategy: 'first', backends }, runtime),
      log: { format: 'json', ...log },
    });
    const { lb, reload, path } = await running(t, input([a!, b!], {}));
    await ask(t, lb.port(), '?');
    await lb.log.finished(1);
    const changed = await reload(input([a!, b!], { connections: false }, { threads: 7 }));
    t.match(changed.changes, [
      'changed: log.connections',
      'needs a restart to take effect: runtime.threads',
      /.*/,
    ]);
    await ask(t, lb.port(), '?');
    const held = client(t, lb.port());
    await held.reads(1);
    await reload(input([b!], { connections: true }, { threads: 7, drain_timeout: '200ms' }));
    const [, second] = await lb.log.finished(2);
    t.match(second, { backend: a, reason: 'drained' }, 'the one in between has no line');
    writeConfig(path, input([b!], { level: 'error' }));
    const lines = lb.log.all.length;
    process.kill(lb.pid, 'SIGHUP');
    await until('quiet', async () => {
      const before = lb.log.all.length;
      await ask(t, lb.port(), '?');
      await ask(t, lb.port(), '?');
      return lb.log.all.length === before;
    });
    writeConfig(path, input([b!], { level: 'info' }));
    process.kill(lb.pid, 'SIGHUP');
    await until('lines again', () => lb.log.all.slice(lines).some(({ msg }) => msg === 'reloaded'));
    process.kill(lb.pid, 'SIGTERM');
    t.equal(await lb.exited(), 0);
  },
);

t.test('an instance that was started from flags has nothing to reload', async t => {
  const behind = await backend(t, echo);
  const lb = await new Program(t, [
    '--listen',
    '127.0.0.1:0',
    '--to',
    behind.address,
    '--engine',
    ENGINE,
    '--admin',
    'off',
  ]).ready();
  process.kill(lb.pid, 'SIGHUP');
  t.match(await lb.log.line(/^nothing to reload/), { level: 40 });
  const service = lb.log.all.find(({ msg }) => msg === 'listening')!.service as string;
  t.equal(await ask(t, lb.port(service), 'x'), 'x');
});

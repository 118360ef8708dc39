import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { backend, echo, says } from '../fixtures/backends.js';
import { config, ENGINE } from '../fixtures/balancer.js';
import { ask, client } from '../fixtures/clients.js';
import { folder, Program, writeConfig } from '../fixtures/program.js';

const COMMON = ['-l', '127.0.0.1:0', '--admin', 'off', '--engine', ENGINE];

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`${signal} drains, then exits 0`, async t => {
    const { address } = await backend(t, echo);
    const program = await new Program(t, ['-t', address, ...COMMON]).ready();
    const port = program.port();
    const open = client(t, port);
    open.socket.write('before ');
    await open.reads(7);
    program.child.kill(signal);
    t.match(await program.log.line('draining'), { signal, active: 1 });
    const late = client(t, port);
    await late.end();
    t.equal(late.received, 0, 'nobody new is let in');
    open.socket.write('after');
    await open.reads(12);
    t.equal(program.exit, undefined, 'still there for the open connection');
    open.finish();
    t.equal(await program.exited(), 0);
    t.match(await program.log.line('bye'), {});
    t.equal(program.log.connections.at(-1)?.reason, 'client_closed');
    t.equal(program.stderr, '');
  });
}

t.test('what is open when the drain time is over is closed: shutdown', async t => {
  const { address } = await backend(t, echo);
  const program = await new Program(t, ['-t', address, '--drain-timeout', '200ms', ...COMMON]).ready();
  const open = client(t, program.port());
  open.socket.write('x');
  await open.reads(1);
  program.child.kill('SIGTERM');
  await open.end();
  t.equal(await program.exited(), 0);
  t.equal(program.log.connections[0]?.reason, 'shutdown');
});

t.test('a second signal ends now', async t => {
  const { address } = await backend(t, echo);
  const program = await new Program(t, ['-t', address, ...COMMON]).ready();
  const open = client(t, program.port());
  open.socket.write('x');
  await open.reads(1);
  program.child.kill('SIGTERM');
  await program.log.line('draining');
  program.child.kill('SIGINT');
  t.equal(await program.exited(), 0);
});

t.test('SIGHUP takes the changed file and keeps what did not change', async t => {
  const [old, fresh] = [await backend(t, echo), await backend(t, says('fresh'))];
  const file = join(folder(t), 'lb4.toml');
  const write = (address: string): void =>
    writeConfig(file, config({ main: { listen: '127.0.0.1:0', backends: [address] } }));
  write(old.address);
  const program = await new Program(t, ['-c', file]).ready();
  const open = client(t, program.port());
  open.socket.write('a');
  await open.reads(1);
  write(fresh.address);
  program.child.kill('SIGHUP');
  const line = await program.log.line('reloaded');
  t.equal(line.kept, 1);
  t.ok(
    (line.changes as string[]).some(change => change.includes(fresh.address)),
    'says what changed',
  );
  t.equal(await ask(t, program.port()), 'fresh', 'on the same port');
  open.socket.write('b');
  await open.reads(2);
  t.pass('the open connection stays');
});

t.test('SIGHUP with a bad file changes nothing and says why', async t => {
  const { address } = await backend(t, says('same'));
  const file = join(folder(t), 'lb4.toml');
  writeConfig(file, config({ main: { listen: '127.0.0.1:0', backends: [address] } }));
  const program = await new Program(t, ['-c', file]).ready();
  writeFileSync(file, '[services.main]\nlisten = "127.0.0.1:0"\nbackend = ["x"]\n');
  program.child.kill('SIGHUP');
  const { errors } = await program.log.line('reload refused: nothing was changed');
  t.match(
    (errors as string[]).join('\n'),
    /lb4\.toml:3:1 services\.main\.backend: .*did you mean "backends"/,
  );
  t.equal(await ask(t, program.port()), 'same');
});

t.test('SIGHUP with an address that is taken changes nothing', async t => {
  const { address, port: taken } = await backend(t, says('same'));
  const file = join(folder(t), 'lb4.toml');
  const service = { listen: '127.0.0.1:0', backends: [address] };
  writeConfig(file, config({ main: service }));
  const program = await new Program(t, ['-c', file]).ready();
  writeConfig(file, config({ main: service, second: { ...service, listen: `127.0.0.1:${taken}` } }));
  program.child.kill('SIGHUP');
  const { errors } = await program.log.line('reload refused: nothing was changed');
  t.match((errors as string[])[0], /address already in use/);
  t.equal(await ask(t, program.port()), 'same');
});

t.test('SIGHUP at an instance without a file', async t => {
  const { address } = await backend(t, says('same'));
  const program = await new Program(t, ['-t', address, ...COMMON]).ready();
  program.child.kill('SIGHUP');
  t.equal((await program.log.line(/^nothing to reload/)).level, 40);
  t.equal(await ask(t, program.port()), 'same');
});

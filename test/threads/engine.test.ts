import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { isSupported } from '../../src/engines/epoll/libc.js';
import { backend, echo } from '../fixtures/backends.js';
import { ask } from '../fixtures/clients.js';
import { Program } from '../fixtures/program.js';

const NO_KOFFI = {
  NODE_OPTIONS: `--import=${fileURLToPath(new URL('../fixtures/no-koffi.js', import.meta.url))}`,
};

async function started(t: Test, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const { address } = await backend(t, echo);
  const words = ['-l', '127.0.0.1:0', '-t', address, '--admin', 'off', ...args];
  return await new Program(t, words, { env }).ready();
}

t.test('auto takes epoll where it works', { skip: !isSupported() && 'not on this machine' }, async t => {
  const program = await started(t, ['--threads', '3']);
  t.match(await program.log.line('engine'), {
    engine: 'epoll',
    threads: 3,
    why: 'auto takes epoll where it works',
  });
  t.equal(await ask(t, program.port(), 'hello'), 'hello');
});

t.test('auto takes net where koffi is not installed, and says why', async t => {
  const program = await started(t, [], NO_KOFFI);
  t.match(await program.log.line('engine'), {
    engine: 'net',
    threads: 1,
    why: 'auto takes net, as epoll cannot work here: the optional package koffi is not installed',
  });
  t.equal(await ask(t, program.port(), 'hello'), 'hello');
});

t.test('epoll that is asked for and cannot work ends the start', async t => {
  const words = ['-l', '127.0.0.1:0', '-t', '127.0.0.1:9', '--admin', 'off', '--engine', 'epoll'];
  const program = new Program(t, words, { env: NO_KOFFI });
  t.equal(await program.exited(), 1);
  t.equal(
    program.stderr,
    'lb4: the epoll engine cannot work here: the optional package koffi is not installed\n',
  );
});

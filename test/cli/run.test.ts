import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { backend, freePort, says } from '../fixtures/backends.js';
import { ENGINE } from '../fixtures/balancer.js';
import { ask } from '../fixtures/clients.js';
import { folder, Program } from '../fixtures/program.js';
import { lb4 } from './lb4.js';

/** What every instance of these tests gets. */
const COMMON = ['--admin', 'off', '--engine', ENGINE];

t.test('the one-liner balances over three backends', async t => {
  const backends = await Promise.all(['a', 'b', 'c'].map(name => backend(t, says(name))));
  const to = backends.map(({ address }) => address).join(',');
  const program = await new Program(t, ['--listen', '127.0.0.1:0', '--to', to, ...COMMON]).ready();
  const answers: string[] = [];
  for (let i = 0; i < 6; i++) answers.push(await ask(t, program.port()));
  t.same([...new Set(answers)].sort(), ['a', 'b', 'c']);
  t.equal(program.stderr, '');
});

t.test('weights, a backup, -s', async t => {
  const [heavy, light, backup] = await Promise.all(['a', 'b', 'z'].map(name => backend(t, says(name))));
  const to = `${heavy!.address}*3,${light!.address},${backup!.address}+backup`;
  const program = await new Program(t, [
    ...['-l', '127.0.0.1:0', '-t', to, '-s', 'weighted-round-robin', '--no-check', ...COMMON],
  ]).ready();
  const answers: string[] = [];
  for (let i = 0; i < 8; i++) answers.push(await ask(t, program.port()));
  t.equal(answers.sort().join(''), 'aaaaaabb');
  await heavy!.stop();
  await light!.stop();
  t.equal(await ask(t, program.port()), 'z', 'nobody else is left');
});

t.test('the port of a backend defaults to the listen port; several --listen; IPv6', async t => {
  const port = await freePort();
  await backend(t, says('v4'), { port });
  const one = await new Program(t, ['-l', `[::1]:${port}`, '-t', '127.0.0.1', ...COMMON]).ready();
  t.equal(await ask(t, { host: '::1', port: one.port() }), 'v4');
  const target = `127.0.0.1:${port}`;
  const two = await new Program(t, ['-l', '127.0.0.1:0', '-l', '[::1]:0', '-t', target, ...COMMON]).ready();
  for (const { listen } of two.log.all.filter(({ msg }) => msg === 'listening')) {
    const [, host, at] = /^\[?([^\]]+?)\]?:(\d+)$/.exec(String(listen))!;
    t.equal(await ask(t, { host: host!, port: Number(at) }), 'v4', String(listen));
  }
});

t.test('a bare port listens on every address', async t => {
  const { address } = await backend(t, says('x'));
  const port = await freePort('::');
  const program = await new Program(t, ['-l', String(port), '-t', address, ...COMMON]).ready();
  t.equal(program.port(), port);
  t.equal(await ask(t, { host: '127.0.0.1', port }), 'x');
  t.equal(await ask(t, { host: '::1', port }), 'x');
});

t.test('unix sockets on either side', async t => {
  const dir = folder(t);
  const inner = await backend(t, says('unix'), { path: join(dir, 'b.sock') });
  const outer = join(dir, 'l.sock');
  const program = new Program(t, ['-l', `unix:${outer}`, '-t', inner.address, ...COMMON]);
  await program.ready();
  t.equal(await ask(t, { path: outer }), 'unix');
  program.child.kill('SIGTERM');
  t.equal(await program.exited(), 0);
});

t.test('-c FILE, run -c FILE, and the file that --print-config prints', async t => {
  const { address } = await backend(t, says('file'));
  const file = join(folder(t), 'lb4.toml');
  const flags = [
    ...['-l', '127.0.0.1:0', '-t', `${address}*2`, '-s', 'ip-hash', '--connect-timeout', '2s', '--fall', '2'],
    ...[
      '--check-interval',
      '1s',
      '--drain-timeout',
      '3s',
      '--log-level',
      'debug',
      '--name',
      'edge',
      ...COMMON,
    ],
  ];
  const printed = await lb4([...flags, '--print-config']);
  t.same({ code: printed.code, stderr: printed.stderr }, { code: 0, stderr: '' });
  writeFileSync(file, printed.stdout);
  const again = await lb4(['-c', file, '--print-config']);
  t.equal(again.stdout, printed.stdout, 'printing what was printed');
  for (const words of [
    ['-c', file],
    ['run', '-c', file],
    ['run', ...flags],
  ]) {
    const program = await new Program(t, words).ready();
    t.equal(await ask(t, program.port()), 'file');
    program.child.kill('SIGTERM');
    t.equal(await program.exited(), 0);
  }
});

t.test('a port that is in use: one clear line, exit 1', async t => {
  const { port, address } = await backend(t, says('x'));
  const { code, stdout, stderr } = await lb4(['-l', `127.0.0.1:${port}`, '-t', address, ...COMMON]);
  t.equal(code, 1);
  t.equal(stderr, `lb4: cannot listen on 127.0.0.1:${port}: address already in use\n`);
  t.notMatch(stdout, /ready/);
});

t.test('an address that is not ours, a socket in a folder that is not there: exit 1', async t => {
  const wrong = await lb4(['-l', '192.0.2.1:7', '-t', '127.0.0.1:1', ...COMMON]);
  t.equal(wrong.code, 1);
  t.match(wrong.stderr, /^lb4: cannot listen on 192\.0\.2\.1:7: [^\n]+\n$/);
  const nowhere = await lb4(['-l', 'unix:/nowhere/x.sock', '-t', '127.0.0.1:1', ...COMMON]);
  t.equal(nowhere.code, 1);
  t.match(nowhere.stderr, /^lb4: cannot listen on unix:\/nowhere\/x\.sock: [^\n]+\n$/);
});

/** Root without some of its privileges. */
const without = (...names: string[]): string =>
  `exec setpriv --bounding-set ${names.map(name => `-${name}`).join(',')} "$0" "$@";`;
const isRoot = process.getuid?.() === 0;

t.test('a port that needs a privilege: exit 1', { skip: everyPortIsFree() }, async t => {
  const { address } = await backend(t, says('x'));
  const shell = isRoot ? without('net_bind_service') : '';
  const program = new Program(t, ['-l', '127.0.0.1:1', '-t', address, ...COMMON], { shell });
  t.equal(await program.exited(), 1);
  t.equal(program.stderr, 'lb4: cannot listen on 127.0.0.1:1: permission denied\n');
});

function everyPortIsFree(): string | false {
  const start = Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'));
  return start <= 1 && 'every port is free for all here';
}

t.test('a file that cannot be read: exit 2', async t => {
  const file = join(folder(t), 'lb4.toml');
  writeFileSync(file, '', { mode: 0 });
  const shell = isRoot ? without('dac_override', 'dac_read_search') : '';
  const program = new Program(t, ['-c', file], { shell });
  t.equal(await program.exited(), 2);
  t.equal(program.stderr, `${file}: cannot be read: permission denied\n`);
});

t.test('--log-format pretty, and json where it is no terminal', async t => {
  const { address } = await backend(t, says('x'));
  const pretty = new Program(t, ['-l', '127.0.0.1:0', '-t', address, '--log-format', 'pretty', ...COMMON]);
  const line = await pretty.log.line(/ready/);
  t.match(line.msg, /^\[?\d\d:\d\d:\d\d\.\d+\]? INFO: ready/);
  const json = new Program(t, ['-l', '127.0.0.1:0', '-t', address, ...COMMON]);
  t.match(await json.log.line('ready'), { level: 30, engine: ENGINE });
});

t.test('a reader that goes away is no error', async t => {
  const program = new Program(t, ['-l', '1', '-t', 'a', '--print-config'], {
    shell: '{ "$0" "$@"; echo "ended with $?" >&2; } | true; exit;',
  });
  t.equal(await program.exited(), 0);
  t.equal(program.stderr, 'ended with 0\n');
});

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { client } from '../fixtures/clients.js';
import { until } from '../fixtures/until.js';

const DEMO = fileURLToPath(new URL('../../scripts/demo/main.js', import.meta.url));

interface Demo {
  readonly child: ChildProcess;
  output: string;
  code: number | null | undefined;
}

function start(t: Test, ...args: string[]): Demo {
  const child = spawn(process.execPath, [DEMO, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const demo: Demo = { child, output: '', code: undefined };
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', chunk => {
      demo.output += String(chunk);
    });
  }
  child.on('close', code => {
    demo.code = code;
  });
  t.teardown(() => child.kill('SIGKILL'));
  return demo;
}

/** lb4's port and those of the backends, from the line that says how lb4 was started. */
function ports({ output }: Demo): number[] {
  const line = /^ *\$ lb4 .*$/m.exec(output)?.[0] ?? '';
  return [...line.matchAll(/127\.0\.0\.1:(\d+)/g)].map(match => Number(match[1]));
}

async function isClosed(t: Test, port: number): Promise<boolean> {
  const peer = client(t, port);
  let refused = false;
  peer.socket.on('error', (error: NodeJS.ErrnoException) => {
    refused = error.code === 'ECONNREFUSED';
  });
  await peer.end();
  return refused;
}

t.test('the demo: a backend is killed, no client sees an error, nothing is left', async t => {
  const demo = start(t);
  await until('its end', () => demo.code !== undefined, 60_000);
  t.equal(demo.code, 0, demo.output);
  t.match(demo.output, /^ +errors: +0$/m);
  t.match(demo.output, /"two" killed: +one \d+ %, two \d %, three \d+ %/);
  t.match(demo.output, /backend is down: two .*[\s\S]*backend is up: two /);
  t.notMatch(demo.output, '\x1b', 'no colours where there is no terminal');
  t.equal(ports(demo).length, 4);
  for (const port of ports(demo)) t.ok(await isClosed(t, port), `nobody listens on ${port} any more`);
});

t.test('--keep leaves it up until Ctrl-C', async t => {
  const demo = start(t, '--keep');
  await until('its invitation', () => /Still up: /.test(demo.output), 60_000);
  const peer = client(t, ports(demo)[0]!);
  peer.socket.write('hello\n');
  await peer.end();
  t.match(peer.text, /^(one|two|three)\n$/);
  demo.child.kill('SIGINT');
  await until('its end', () => demo.code !== undefined);
  t.equal(demo.code, 0);
  for (const port of ports(demo)) t.ok(await isClosed(t, port), `nobody listens on ${port} any more`);
});

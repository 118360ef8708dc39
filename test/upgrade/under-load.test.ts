import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { needs } from '../integration/programs.js';

const MAIN = fileURLToPath(new URL('../../scripts/upgrades/main.js', import.meta.url));
const programs = needs('initdb', 'postgres', 'psql', 'pgbench', 'redis-server', 'redis-benchmark');

t.test(
  'pgbench, redis-benchmark, a transfer, idle sessions and UDP flows notice nothing',
  programs,
  async t => {
    const words = ['--only', 'lb4', '--upgrades', '3', '--pause', '1', '--megabytes', '64', '--idle', '200'];
    const child = spawn(process.execPath, [MAIN, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
    t.teardown(() => child.kill('SIGTERM'));
    let output = '';
    let faults = '';
    child.stdout.on('data', chunk => {
      output += String(chunk);
    });
    child.stderr.on('data', chunk => {
      faults += String(chunk);
    });
    const [code] = await once(child, 'close');
    t.comment(output);
    t.equal(code, 0, faults);
    t.match(output, /checksummed transfer +64 MiB whole/);
    t.match(output, /idle sessions lost +0 of 200/);
    t.match(output, /old processes remaining +0, with 0 connections/);
  },
);

import { execFileSync, spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { UpgradeReport } from '../../src/admin/app.js';
import { freePort } from '../../test/fixtures/backends.js';
import { until } from '../../test/fixtures/until.js';
import { Upgradable } from '../../test/fixtures/upgradable.js';
import { program } from '../../test/integration/programs.js';
import type { Scope } from './scope.js';

/** Where a balancer listens for each of the services, and what is behind. */
export interface Route {
  readonly name: string;
  readonly port: number;
  readonly to: number;
  readonly udp?: boolean;
}

export interface Balancer {
  readonly name: string;
  readonly routes: readonly Route[];
  /** Take the new program; resolves when that serves. What it says of its freeze, ms. */
  upgrade(): Promise<number | undefined>;
  /** Processes that are there beside those that serve, and TCP connections that clients have with them. */
  left(): { readonly processes: number; readonly connections: number };
}

/** It ignores the signal as long as the process before it still has connections. */
const NGINX_PATIENCE_MS = 5_000;
/** How long an upgrade is given to come to rest before the next one. */
export const SETTLE_MS = 500;

async function ports(routes: readonly Omit<Route, 'port'>[]): Promise<Route[]> {
  const found: Route[] = [];
  for (const route of routes) found.push({ ...route, port: await freePort() });
  return found;
}

/** lb4 of this checkout, its data plane in `threads` threads. */
export async function lb4(
  scope: Scope,
  wanted: readonly Omit<Route, 'port'>[],
  threads: number,
): Promise<Balancer> {
  const routes = await ports(wanted);
  const services = routes.map(({ name, port, to, udp }) => [
    name,
    { protocol: udp ? 'udp' : 'tcp', listen: `127.0.0.1:${port}`, backends: [`127.0.0.1:${to}`] },
  ]);
  const instance = await Upgradable.start(scope.test, {
    runtime: { engine: 'epoll', threads },
    log: { connections: false },
    services: Object.fromEntries(services),
  });
  return {
    name: 'lb4',
    routes,
    upgrade: async () => {
      const report = JSON.parse(await instance.upgrade('--json')) as UpgradeReport;
      if (report.lost.length > 0) console.error(report.lost.join('\n'));
      return report.freeze_ms ?? undefined;
    },
    left: () =>
      count(
        instance.pids.filter(one => one !== instance.pid && isAlive(one)),
        routes,
      ),
  };
}

/** HAProxy, reloaded as its documentation has it: a new process gets the listeners (-x), the old one finishes (-sf). */
export async function haproxy(
  scope: Scope,
  dir: string,
  wanted: readonly Omit<Route, 'port'>[],
): Promise<Balancer> {
  const routes = (await ports(wanted)).filter(({ udp }) => udp !== true);
  const file = join(dir, 'haproxy.cfg');
  const pidFile = join(dir, 'haproxy.pid');
  const socket = join(dir, 'haproxy.sock');
  const services = routes.map(
    ({ name, port, to }) => `listen ${name}\n  bind 127.0.0.1:${port}\n  server one 127.0.0.1:${to}\n`,
  );
  writeFileSync(
    file,
    `global\n  maxconn 4000\n  stats socket ${socket} mode 600 level admin expose-fd listeners\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n${services.join('')}`,
  );
  const pids = (): number[] => readFileSync(pidFile, 'utf8').trim().split(/\s+/).map(Number);
  const all: number[] = [];
  const start = async (...more: string[]): Promise<void> => {
    await execFile('haproxy', ['-D', '-f', file, '-p', pidFile, ...more]);
    all.push(...pids());
  };
  scope.teardown(() => all.filter(isAlive).map(pid => process.kill(pid, 'SIGKILL')));
  await start();
  return {
    name: 'HAProxy -sf',
    routes,
    upgrade: async () => {
      await start('-x', socket, '-sf', ...pids().map(String));
      await sleep(SETTLE_MS);
      return undefined;
    },
    left: () =>
      count(
        all.filter(pid => !pids().includes(pid) && isAlive(pid)),
        routes,
      ),
  };
}

/** nginx, its binary upgraded as its documentation has it: USR2, then WINCH and QUIT to the old master. */
export async function nginx(
  scope: Scope,
  dir: string,
  wanted: readonly Omit<Route, 'port'>[],
): Promise<Balancer> {
  const routes = await ports(wanted);
  const file = join(dir, 'nginx.conf');
  const pidFile = join(dir, 'nginx.pid');
  const servers = routes.map(
    ({ port, to, udp }) =>
      `  server { listen 127.0.0.1:${port}${udp ? ' udp' : ''}; proxy_pass 127.0.0.1:${to}; proxy_timeout 1h;${udp ? '' : ' proxy_half_close on;'} }\n`,
  );
  const module = '/usr/lib/nginx/modules/ngx_stream_module.so';
  writeFileSync(
    file,
    `load_module ${module};\npid ${pidFile};\nerror_log ${dir}/error.log;\nworker_processes 1;\nuser root;\nevents { worker_connections 20000; }\nstream {\n${servers.join('')}}\n`,
  );
  const masters: number[] = [];
  const master = (): number => Number(readFileSync(pidFile, 'utf8'));
  // By its whole path, with which it starts its successor.
  await execFile(program('nginx'), ['-c', file, '-e', join(dir, 'error.log')]);
  masters.push(master());
  const everybody = (): number[] => masters.flatMap(pid => [pid, ...childrenOf(pid)]).filter(isAlive);
  scope.teardown(() => everybody().map(pid => process.kill(pid, 'SIGKILL')));
  return {
    name: 'nginx USR2/WINCH/QUIT',
    routes,
    upgrade: async () => {
      const old = master();
      process.kill(old, 'SIGUSR2');
      const next = await until(
        'a new master',
        () => {
          try {
            const pid = master();
            return pid !== old && childrenOf(pid).length > 0 && pid;
          } catch {
            return false;
          }
        },
        NGINX_PATIENCE_MS,
      );
      masters.push(next);
      process.kill(old, 'SIGWINCH');
      await sleep(SETTLE_MS);
      process.kill(old, 'SIGQUIT');
      await sleep(SETTLE_MS);
      return undefined;
    },
    left: () => {
      const serving = new Set([master(), ...childrenOf(master())]);
      return count(
        everybody().filter(pid => !serving.has(pid)),
        routes,
      );
    },
  };
}

/** Processes, and the connections of clients to `routes` that they have open. */
function count(
  pids: readonly number[],
  routes: readonly Route[],
): { processes: number; connections: number } {
  if (pids.length === 0) return { processes: 0, connections: 0 };
  const ports = routes.map(({ port }) => `sport = :${port}`).join(' or ');
  const table = execFileSync('ss', ['-tnpH', 'state', 'established', `( ${ports} )`], { encoding: 'utf8' });
  const lines = table.split('\n').filter(line => pids.some(pid => line.includes(`pid=${pid},`)));
  return { processes: pids.length, connections: lines.length };
}

function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap(task =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8')
        .trim()
        .split(' ')
        .filter(Boolean)
        .map(Number),
    );
  } catch {
    return [];
  }
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

function execFile(command: string, args: readonly string[]): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', chunk => {
    text += String(chunk);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', code => {
      if (code === 0) resolve(text);
      else reject(new Error(`${command} ${args.join(' ')}: ${code}`));
    });
  });
}

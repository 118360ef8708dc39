import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { haproxyConfig, lb4Config, NGINX_STREAM, naiveArguments, nginxConfig } from './configs.js';
import { type Daemon, daemon } from './processes.js';
import { firstLine, isInstalled } from './programs.js';
import type { ServiceName, Site } from './site.js';

/** A balancer to be measured. */
export interface Candidate {
  readonly name: string;
  /** How it is called in tables and charts. */
  readonly title: string;
  /** As many threads (or workers) as it can put to work. */
  readonly maxThreads: 1 | 2;
  readonly udp: boolean;
  /** Why it cannot run on this machine. */
  missing(): string | undefined;
  version(): string;
  start(site: Site, threads: 1 | 2): Promise<Daemon>;
}

/** Of this program, and so of the lb4 that is measured. */
export const CHECKOUT = fileURLToPath(new URL('../../..', import.meta.url));

export const CANDIDATES: readonly Candidate[] = [
  lb4('lb4-epoll', 'lb4 epoll', 'epoll', CHECKOUT),
  lb4('lb4-net', 'lb4 net', 'net', CHECKOUT),
  {
    name: 'haproxy',
    title: 'HAProxy',
    maxThreads: 2,
    udp: false,
    missing: () => (isInstalled('haproxy') ? undefined : 'haproxy is not installed'),
    version: () => firstLine('haproxy', '-v').replace(/ - .*/, ''),
    start: (site, threads) =>
      configured(site, 'haproxy.cfg', haproxyConfig(site, threads), 'haproxy', '-db', '-f'),
  },
  {
    name: 'nginx',
    title: 'nginx',
    maxThreads: 2,
    udp: true,
    missing() {
      if (!isInstalled('nginx')) return 'nginx is not installed';
      return existsSync(NGINX_STREAM) ? undefined : `nginx has no stream module at ${NGINX_STREAM}`;
    },
    version: () => firstLine('nginx', '-v').replace('nginx version: ', ''),
    start: (site, threads) =>
      configured(site, 'nginx.conf', nginxConfig(site, threads), 'nginx', '-p', site.dir, '-c'),
  },
  {
    name: 'naive',
    title: 'net.pipe()',
    maxThreads: 1,
    udp: true,
    missing: () => undefined,
    version: () => `net.pipe() and dgram, Node ${process.version}`,
    start: async site =>
      daemon(site.cores, process.execPath, [
        fileURLToPath(new URL('naive-proxy.js', import.meta.url)),
        ...naiveArguments(site),
      ]),
  },
];

/** Another checkout of lb4, built, to measure a change against. */
export function baseline(checkout: string, engine: 'epoll' | 'net'): Candidate {
  return lb4('baseline', 'baseline', engine, resolve(checkout));
}

/** Why a candidate cannot take part in a case whose program is there; undefined when it can. */
export function unable(
  candidate: Pick<Candidate, 'maxThreads' | 'udp'>,
  work: { readonly service: ServiceName; readonly threads: number },
): string | undefined {
  if (work.service === 'udp' && !candidate.udp) return 'does not balance UDP';
  if (work.threads > candidate.maxThreads) return 'has one thread only';
  return undefined;
}

function lb4(name: string, title: string, engine: 'epoll' | 'net', checkout: string): Candidate {
  const cli = join(checkout, 'dist/src/cli/main.js');
  return {
    name,
    title,
    maxThreads: engine === 'epoll' ? 2 : 1,
    udp: true,
    missing() {
      if (!existsSync(cli)) return `${cli} does not exist: build it first`;
      return engine === 'net' || process.platform === 'linux' ? undefined : 'epoll needs Linux';
    },
    version: () => `lb4 ${firstLine(process.execPath, cli, '--version')}, Node ${process.version}`,
    start: (site, threads) =>
      configured(
        site,
        `${name}-${threads}.toml`,
        lb4Config(site, engine, threads),
        process.execPath,
        ...process.execArgv,
        cli,
        '-c',
      ),
  };
}

/** Write a configuration and start a program with its path as the last argument. */
async function configured(
  site: Site,
  file: string,
  text: string,
  command: string,
  ...args: readonly string[]
): Promise<Daemon> {
  const path = join(site.dir, file);
  await writeFile(path, text);
  return daemon(site.cores, command, [...args, path]);
}

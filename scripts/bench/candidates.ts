import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Daemon, daemon } from './processes.js';
import { type Place, SERVICES, type ServiceName, type Site } from './site.js';

/** A balancer to be measured: one thread or process doing the work. */
export interface Candidate {
  readonly name: string;
  readonly services: readonly ServiceName[];
  version(): string;
  start(site: Site): Promise<Daemon>;
}

export const CANDIDATES: readonly Candidate[] = [
  lb4('epoll'),
  lb4('net'),
  {
    name: 'haproxy',
    services: ['redis', 'bulk'],
    version: () => firstLine('haproxy', ['-v']),
    start: site => configured(site, 'haproxy.cfg', haproxyConfig(site), 'haproxy', ['-db', '-f']),
  },
  {
    name: 'nginx',
    services: SERVICES,
    version: () => firstLine('sh', ['-c', 'nginx -v 2>&1']),
    start: site => configured(site, 'nginx.conf', nginxConfig(site), 'nginx', ['-p', site.dir, '-c']),
  },
  {
    name: 'naive',
    services: SERVICES,
    version: () => `net.pipe and dgram, Node ${process.version}`,
    start: async site => daemon('balancer', process.execPath, [compiled('naive-proxy.js'), ...naive(site)]),
  },
];

/** lb4 as a user runs it, one thread, without a line of log for each connection. */
function lb4(engine: string): Candidate {
  const cli = compiled('../../src/cli/main.js');
  return {
    name: `lb4-${engine}`,
    services: SERVICES,
    version: () => `${firstLine(process.execPath, [cli, '--version'])}, Node ${process.version}`,
    start: site =>
      configured(site, `lb4-${engine}.toml`, lb4Config(site, engine), process.execPath, [
        ...process.execArgv,
        cli,
        '-c',
      ]),
  };
}

async function configured(
  site: Site,
  file: string,
  text: string,
  command: string,
  args: string[],
): Promise<Daemon> {
  const path = join(site.dir, file);
  await writeFile(path, text);
  return daemon('balancer', command, [...args, path]);
}

function lb4Config(site: Site, engine: string): string {
  const services = SERVICES.map(name => {
    const lines = [
      `[services.${name}]`,
      `listen = "${at(site.listen[name])}"`,
      `backends = [${site.backends[name].map(place => `"${at(place)}"`).join(', ')}]`,
      `health.kind = "none"`,
    ];
    if (name === 'udp') lines.push('protocol = "udp"');
    return lines.join('\n');
  });
  return [
    '[log]\nlevel = "warn"\nconnections = false',
    '[admin]\nlisten = "off"',
    `[runtime]\nengine = "${engine}"\nthreads = 1`,
    ...services,
  ].join('\n\n');
}

function haproxyConfig(site: Site): string {
  const lines = [
    'global',
    '  nbthread 1',
    'defaults',
    '  mode tcp',
    '  option splice-request',
    '  option splice-response',
    '  timeout connect 5s',
    '  timeout client 1h',
    '  timeout server 1h',
    '  balance leastconn',
  ];
  for (const name of ['redis', 'bulk'] as const) {
    lines.push(`listen ${name}`, `  bind ${at(site.listen[name])}`);
    site.backends[name].forEach((place, i) => {
      lines.push(`  server s${i} ${at(place)}`);
    });
  }
  return `${lines.join('\n')}\n`;
}

function nginxConfig(site: Site): string {
  const services = SERVICES.map(
    name => `
  upstream ${name} { least_conn; ${site.backends[name].map(place => `server ${at(place)};`).join(' ')} }
  server {
    listen ${at(site.listen[name])}${name === 'udp' ? ' udp' : ''};
    proxy_pass ${name};
    proxy_timeout ${name === 'udp' ? '60s' : '1h'};
  }`,
  );
  return `load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
worker_processes 1;
pid ${join(site.dir, 'nginx.pid')};
error_log ${join(site.dir, 'nginx.log')} crit;
events { worker_connections 16000; }
stream {
  access_log off;${services.join('')}
}
`;
}

function naive(site: Site): string[] {
  return SERVICES.map(name => {
    const protocol = name === 'udp' ? 'udp' : 'tcp';
    return `${protocol}:${site.listen[name].port}:${site.backends[name].map(at).join(',')}`;
  });
}

function at({ host, port }: Place): string {
  return `${host}:${port}`;
}

function compiled(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url));
}

function firstLine(command: string, args: readonly string[]): string {
  return execFileSync(command, args, { encoding: 'utf8' }).split('\n', 1)[0]!.trim();
}

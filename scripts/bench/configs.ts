/** The configuration of each candidate for a site: as its manual advises for this work, with no line of log for each connection. */
import { join } from 'node:path';
import { type Place, SERVICES, type Site } from './site.js';

/** Datagrams that a listener keeps while nobody reads; lb4 asks for as much by itself. */
const UDP_BUFFER = '4m';

export function lb4Config(site: Site, engine: string, threads: number): string {
  const services = SERVICES.map(name => {
    const backends = site.backends[name].map(place => `"${at(place)}"`).join(', ');
    return [
      `[services.${name}]`,
      `listen = "${at(site.listen[name])}"`,
      `backends = [${backends}]`,
      'health.kind = "none"',
      ...(name === 'udp' ? ['protocol = "udp"'] : []),
    ].join('\n');
  });
  return [
    '[log]\nlevel = "warn"\nconnections = false',
    '[admin]\nlisten = "off"',
    `[runtime]\nengine = "${engine}"\nthreads = ${threads}\ndrain_timeout = "1s"`,
    ...services,
  ].join('\n\n');
}

export function haproxyConfig(site: Site, threads: number): string {
  const services = SERVICES.filter(name => name !== 'udp').flatMap(name => [
    `listen ${name}`,
    `  bind ${at(site.listen[name])}`,
    ...site.backends[name].map((place, i) => `  server s${i} ${at(place)}`),
  ]);
  const settings = [
    'global',
    `  nbthread ${threads}`,
    'defaults',
    '  mode tcp',
    '  option splice-request',
    '  option splice-response',
    '  timeout connect 5s',
    '  timeout client 1h',
    '  timeout server 1h',
    '  balance leastconn',
  ];
  return `${[...settings, ...services].join('\n')}\n`;
}

export const NGINX_STREAM = '/usr/lib/nginx/modules/ngx_stream_module.so';

export function nginxConfig(site: Site, workers: number): string {
  // A listening socket for each worker, as lb4's threads have.
  const shared = workers > 1 ? ' reuseport' : '';
  const services = SERVICES.map(name => {
    const servers = site.backends[name].map(place => `server ${at(place)};`).join(' ');
    const socket = name === 'udp' ? `udp rcvbuf=${UDP_BUFFER}` : 'backlog=4096';
    return `
  upstream ${name} { least_conn; ${servers} }
  server {
    listen ${at(site.listen[name])} ${socket}${shared};
    proxy_pass ${name};
    proxy_timeout ${name === 'udp' ? '60s' : '1h'};
  }`;
  });
  return `load_module ${NGINX_STREAM};
daemon off;
worker_processes ${workers};
pid ${join(site.dir, 'nginx.pid')};
error_log ${join(site.dir, 'nginx.log')} crit;
events { worker_connections 16000; }
stream {
  access_log off;${services.join('')}
}
`;
}

export function naiveArguments(site: Site): string[] {
  return SERVICES.map(name => {
    const protocol = name === 'udp' ? 'udp' : 'tcp';
    return `${protocol}:${site.listen[name].port}:${site.backends[name].map(at).join(',')}`;
  });
}

function at({ host, port }: Place): string {
  return `${host}:${port}`;
}

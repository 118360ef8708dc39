import { chmodSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ConfigInput } from '../../src/config/schema.js';
import { freePort } from '../../test/fixtures/backends.js';
import type { Owner } from '../../test/fixtures/owner.js';
import { folder, startProgram } from '../../test/fixtures/program.js';
import { until } from '../../test/fixtures/until.js';
import { program } from '../../test/integration/programs.js';
import { Server } from '../../test/integration/servers.js';

export type Kind = 'postgres' | 'redis';

/** The same for everybody. */
const INTERVAL = '1s';
const FALL = 3;
const RISE = 2;

/** A balancer in front of the servers: a port for the primary, and one for reads. */
export interface Front {
  readonly name: string;
  readonly primary: number;
  readonly reads: number;
}

export interface Candidate {
  readonly name: string;
  start(owner: Owner, kind: Kind, ports: readonly number[]): Promise<Front>;
}

export const CANDIDATES: readonly Candidate[] = [
  lb4('epoll'),
  lb4('net'),
  haproxy('haproxy', ''),
  haproxy('haproxy-fastinter', 'fastinter 100ms downinter 100ms'),
];

function lb4(engine: 'epoll' | 'net'): Candidate {
  const name = `lb4-${engine}`;
  return {
    name,
    async start(owner, kind, ports) {
      const listen = '127.0.0.1:0';
      const input: ConfigInput = {
        admin: { listen: 'off' },
        log: { level: 'info', format: 'json', connections: false },
        runtime: { engine },
        groups: {
          db: {
            backends: ports.map(port => `127.0.0.1:${port}`),
            health: {
              kind,
              ...(kind === 'postgres' && { user: 'postgres' }),
              interval: INTERVAL,
              fall: FALL,
              rise: RISE,
            },
          },
        },
        services: {
          primary: {
            listen,
            group: 'db',
            health: { role: 'primary', on_down: 'close' },
            queue: { size: 1_000 },
            timeouts: { queue: '30s' },
          },
          reads: { listen, group: 'db', health: { role: 'prefer-replica' } },
        },
      };
      const running = await startProgram(owner, input);
      return { name, primary: running.port('primary'), reads: running.port('reads') };
    },
  };
}

/** What its documentation has for each of them; roles of PostgreSQL take a script, as its own check only says hello. */
function haproxy(name: string, pace: string): Candidate {
  return {
    name,
    async start(owner, kind, ports) {
      const dir = folder(owner);
      const [primary, reads] = [await freePort(), await freePort()];
      const path = join(dir, 'haproxy.cfg');
      writeFileSync(path, haproxyConfig(kind, dir, pace, { primary, reads }, ports));
      const server = new Server(owner, 'haproxy', ['-db', '-f', path], { cwd: dir });
      server.start();
      await server.ready(async () => true);
      await until('haproxy to run', () => server.running);
      return { name, primary, reads };
    },
  };
}

function haproxyConfig(
  kind: Kind,
  dir: string,
  pace: string,
  fronts: { readonly primary: number; readonly reads: number },
  ports: readonly number[],
): string {
  const servers = (extra: string) =>
    ports.map((port, i) => `  server s${i} 127.0.0.1:${port} check ${extra}`).join('\n');
  const check = (role: 'primary' | 'replica') =>
    kind === 'redis' ? redisCheck(role) : postgresCheck(dir, role);
  const down = 'on-marked-down shutdown-sessions';
  return `global
  external-check
  insecure-fork-wanted
defaults
  mode tcp
  retries 3
  option redispatch
  timeout connect 5s
  timeout queue 30s
  timeout client 1h
  timeout server 1h
  timeout check 1s
  default-server inter ${INTERVAL} ${pace} fall ${FALL} rise ${RISE} observe layer4 error-limit ${FALL} on-error mark-down
listen primary
  bind 127.0.0.1:${fronts.primary}
  balance leastconn
${check('primary')}
${servers(down)}
listen reads
  bind 127.0.0.1:${fronts.reads}
  balance leastconn
${check('replica')}
${servers('')}
`;
}

function redisCheck(role: 'primary' | 'replica'): string {
  return `  option tcp-check
  tcp-check connect
  tcp-check send PING\\r\\n
  tcp-check expect string +PONG
  tcp-check send info\\ replication\\r\\n
  tcp-check expect string role:${role === 'primary' ? 'master' : 'slave'}
  tcp-check send QUIT\\r\\n
  tcp-check expect string +OK`;
}

function postgresCheck(dir: string, role: 'primary' | 'replica'): string {
  const script = join(dir, `${role}.sh`);
  const wanted = role === 'primary' ? 'f' : 't';
  // HAProxy passes the address and port of the server as $3 and $4.
  writeFileSync(
    script,
    `#!/bin/sh
test "$(PGCONNECT_TIMEOUT=1 PGAPPNAME=haproxy psql -qAtX -h "$3" -p "$4" -U postgres -c 'select pg_is_in_recovery()' postgres)" = ${wanted}
`,
  );
  chmodSync(script, 0o755);
  return `  option external-check
  external-check path "${dirname(program('psql'))}:/usr/bin:/bin"
  external-check command ${script}`;
}

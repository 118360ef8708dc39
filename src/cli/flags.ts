import { STRATEGY_NAMES } from '../../strategies/index.js';
import type { Flag } from './command.js';

/** A flag of `lb4 run`. */
export interface RunFlag extends Flag {
  /** Words after `lb4 -l 5432 -t a,b`, or the whole line where they begin with a flag of their own set. */
  readonly example: string;
}

export const FLAGS: readonly RunFlag[] = [
  {
    name: 'listen',
    alias: 'l',
    kind: 'list',
    describe:
      'Listen on [HOST:]PORT, [v6]:PORT or unix:/path; repeatable. A bare port listens on every address',
    example: '--listen 5432 --listen [::1]:5433 --to a:5432,b:5432',
  },
  {
    name: 'to',
    alias: 't',
    kind: 'list',
    describe: 'Backends: host[:port][*weight][+backup], …; repeatable. The port defaults to the listen port',
    example: '-l 6379 --to r1*3,r2,r3+backup',
  },
  {
    name: 'strategy',
    alias: 's',
    kind: 'text',
    describe: `How a backend is picked [default: least-connections]: ${STRATEGY_NAMES.join(', ')} or ./path.js`,
    values: STRATEGY_NAMES,
    example: '--strategy ip-hash',
  },
  { name: 'udp', kind: 'switch', describe: 'UDP instead of TCP', example: '--udp' },
  {
    name: 'config',
    alias: 'c',
    kind: 'text',
    describe:
      'TOML file; flags about the process (log, engine, admin, …) may stand beside it and win, those of a service may not',
    values: 'files',
    example: '--config lb4.toml',
  },
  {
    name: 'engine',
    kind: 'text',
    describe: 'Data plane: auto, epoll or net [default: auto]',
    values: ['auto', 'epoll', 'net'],
    example: '--engine net',
  },
  {
    name: 'threads',
    kind: 'number',
    describe: 'Data-plane threads; 0 = one per CPU [default: 0]',
    example: '--threads 1',
  },
  {
    name: 'admin',
    kind: 'text',
    describe: 'Admin interface: unix, unix:/path, HOST:PORT or off [default: unix]',
    example: '--admin 127.0.0.1:9090',
  },
  { name: 'name', kind: 'text', describe: 'Name of this instance [default: lb4]', example: '--name edge' },
  {
    name: 'send-proxy',
    kind: 'text',
    describe: 'Send a PROXY protocol header to backends: v1 or v2',
    values: ['v1', 'v2'],
    example: '--send-proxy v2',
  },
  {
    name: 'accept-proxy',
    kind: 'switch',
    describe: 'Expect a PROXY protocol header from clients',
    example: '--accept-proxy',
  },
  {
    name: 'connect-timeout',
    kind: 'text',
    describe: 'One attempt to connect to a backend [default: 5s]',
    example: '--connect-timeout 500ms',
  },
  {
    name: 'idle-timeout',
    kind: 'text',
    describe: 'Close when no bytes move either way; 0 = never [default: 0, UDP 60s]',
    example: '--idle-timeout 1h',
  },
  {
    name: 'drain-timeout',
    kind: 'text',
    describe: 'How long connections may finish at shutdown; 0 = as long as they like [default: 30s]',
    example: '--drain-timeout 2m',
  },
  {
    name: 'user',
    kind: 'text',
    describe: 'Started as root: become USER or USER:GROUP once every address is bound',
    example: '-l 53 --udp --to 10.0.0.1,10.0.0.2 --user nobody',
  },
  {
    name: 'check-interval',
    kind: 'text',
    describe: 'Between two health checks of a backend [default: 2s]',
    example: '--check-interval 1s',
  },
  {
    name: 'check-timeout',
    kind: 'text',
    describe: 'A health check that takes longer has failed [default: 1s]',
    example: '--check-timeout 300ms',
  },
  {
    name: 'fall',
    kind: 'number',
    describe: 'Failed checks in a row that mark a backend down [default: 3]',
    example: '--fall 2',
  },
  {
    name: 'rise',
    kind: 'number',
    describe: 'Good checks in a row that mark it up again [default: 2]',
    example: '--rise 1',
  },
  { name: 'no-check', kind: 'switch', describe: 'No active health checks', example: '--no-check' },
  {
    name: 'max-connections',
    kind: 'number',
    describe: 'Most connections of this process; 0 = derived from the descriptor limit [default: 0]',
    example: '--max-connections 10000',
  },
  {
    name: 'log-level',
    kind: 'text',
    describe: 'trace, debug, info, warn, error or silent [default: info]',
    values: ['trace', 'debug', 'info', 'warn', 'error', 'silent'],
    example: '--log-level debug',
  },
  {
    name: 'log-format',
    kind: 'text',
    describe: 'auto, pretty or json [default: auto]',
    values: ['auto', 'pretty', 'json'],
    example: '--log-format json',
  },
  {
    name: 'watch',
    kind: 'switch',
    describe: 'Take changes of the file by itself; with -c FILE',
    example: '--config lb4.toml --watch',
  },
  {
    name: 'print-config',
    kind: 'switch',
    describe: 'Print the TOML equivalent of these flags and exit',
    example: '--print-config',
  },
];

/** The whole line of a flag's example. */
export function exampleLine({ name, example }: RunFlag): string {
  const whole = name === 'config' || name === 'watch' || /(^| )(-l|--listen) /.test(example);
  return whole ? `lb4 ${example}` : `lb4 -l 5432 -t a,b ${example}`;
}

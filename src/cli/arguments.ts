import yargs, { type Argv } from 'yargs';
import { STRATEGY_NAMES } from '../../strategies/index.js';
import type { OneLinerFlags } from '../config/one-liner.js';
import { didYouMean } from '../config/text.js';
import { Lb4Error } from '../errors.js';
import { VERSION } from '../version.js';
import { check } from './check.js';
import { run } from './run.js';

/** Flags as yargs gives them. */
export interface RunFlags extends OneLinerFlags {
  readonly config?: string;
  readonly printConfig?: boolean;
}

const COMMANDS = ['run', 'check', 'completion'];

/**
 * Understand the command line and do what it says; resolves to the exit code.
 * Throws Lb4Error LB4_USAGE for flags and words that are not known or lack a value.
 */
export async function parseArguments(words: readonly string[]): Promise<number> {
  let code = 0;
  const parser = flags(yargs([...words]))
    .scriptName('lb4')
    .usage(
      '$0 --listen [HOST:]PORT --to HOST[:PORT],…   balance a port over some hosts\n$0 -c FILE                                   run a configuration file',
    )
    .command(
      ['run', '$0'],
      'Run: flags, or -c FILE',
      command => command,
      async args => {
        code = await run(args as unknown as RunFlags);
      },
    )
    .command(
      'check <file>',
      'Check a configuration file: every error at once, and what looks like a mistake',
      command => command.positional('file', { type: 'string', describe: 'TOML file', demandOption: true }),
      async args => {
        code = await check(args.file);
      },
    )
    .completion('completion', 'Print a completion script for bash or zsh')
    .parserConfiguration({ 'duplicate-arguments-array': true, 'strip-aliased': true })
    .version(VERSION)
    .help()
    .alias('help', 'h')
    .wrap(Math.min(110, process.stdout.columns ?? 100))
    .strict()
    .fail((message, error) => {
      throw error ?? new Lb4Error('LB4_USAGE', usageMessage(message, words));
    })
    .exitProcess(false);
  for (const [example, meaning] of EXAMPLES) parser.example(`lb4 ${example}`, meaning);
  await parser.parseAsync();
  return code;
}

/** Single-valued flags given twice come as an array: that is a mistake worth one clear line. */
function once(name: string) {
  return (value: unknown): unknown => {
    if (Array.isArray(value))
      throw new Lb4Error('LB4_USAGE', `expected --${name} once, got it ${value.length} times`);
    return value;
  };
}

function flags(parser: Argv): Argv {
  const text = (name: string, describe: string, alias?: string) =>
    parser.option(name, {
      type: 'string',
      describe,
      requiresArg: true,
      coerce: once(name),
      ...(alias ? { alias } : {}),
    });
  const number = (name: string, describe: string) =>
    parser.option(name, {
      type: 'string',
      describe,
      requiresArg: true,
      coerce: (value: unknown) => wholeNumber(name, once(name)(value)),
    });
  parser.option('listen', {
    alias: 'l',
    type: 'string',
    array: true,
    requiresArg: true,
    describe:
      'Listen on [HOST:]PORT, [v6]:PORT or unix:/path; repeatable. A bare port listens on every address',
  });
  parser.option('to', {
    alias: 't',
    type: 'string',
    array: true,
    requiresArg: true,
    describe: 'Backends: host[:port][*weight][+backup], …; repeatable. The port defaults to the listen port',
  });
  text(
    'strategy',
    `How a backend is picked [default: least-connections]: ${STRATEGY_NAMES.join(', ')} or ./path.js`,
    's',
  );
  parser.option('udp', { type: 'boolean', describe: 'UDP instead of TCP' });
  text('config', 'TOML file; may not be mixed with --listen and --to', 'c');
  text('engine', 'Data plane: auto, epoll or net [default: auto]');
  number('threads', 'Data-plane threads; 0 = one per CPU [default: 0]');
  text('admin', 'Admin interface: unix, unix:/path, HOST:PORT or off [default: unix]');
  text('name', 'Name of this instance [default: lb4]');
  text('send-proxy', 'Send a PROXY protocol header to backends: v1 or v2');
  parser.option('accept-proxy', { type: 'boolean', describe: 'Expect a PROXY protocol header from clients' });
  text('connect-timeout', 'One attempt to connect to a backend [default: 5s]');
  text('idle-timeout', 'Close when no bytes move either way; 0 = never [default: 0, UDP 60s]');
  text(
    'drain-timeout',
    'How long connections may finish at shutdown; 0 = as long as they like [default: 30s]',
  );
  text('check-interval', 'Between two health checks of a backend [default: 2s]');
  text('check-timeout', 'A health check that takes longer has failed [default: 1s]');
  number('fall', 'Failed checks in a row that mark a backend down [default: 3]');
  number('rise', 'Good checks in a row that mark it up again [default: 2]');
  parser.option('check', { type: 'boolean', describe: 'Active health checks; --no-check turns them off' });
  number(
    'max-connections',
    'Most connections of this process; 0 = derived from the descriptor limit [default: 0]',
  );
  text('log-level', 'trace, debug, info, warn, error or silent [default: info]');
  text('log-format', 'auto, pretty or json [default: auto]');
  parser.option('print-config', {
    type: 'boolean',
    describe: 'Print the TOML equivalent of these flags and exit',
  });
  return parser;
}

function wholeNumber(name: string, value: unknown): number | undefined {
  if (value === undefined) return undefined;
  if (!/^\d{1,10}$/.test(String(value))) {
    throw new Lb4Error('LB4_USAGE', `--${name}: expected a whole number, got ${JSON.stringify(value)}`);
  }
  return Number(value);
}

/** yargs says "Unknown argument: x, y"; say which is meant, and what may have been. */
function usageMessage(message: string, words: readonly string[]): string {
  const unknown = /^Unknown (?:arguments?|commands?): (.*)$/.exec(message)?.[1];
  if (unknown === undefined) return message.split('\n').join(' ');
  const names = [...new Set(unknown.split(', '))];
  // yargs names a mistyped flag in both spellings (checkIntervall, check-intervall).
  const shown =
    names.find(name => words.some(word => word.replace(/^--?/, '').startsWith(name))) ?? names[0]!;
  const isFlag = words.some(word => /^-/.test(word) && word.replace(/^--?/, '').startsWith(shown));
  if (!isFlag) {
    return `unknown command ${JSON.stringify(shown)}${didYouMean(shown, COMMANDS)}; see lb4 --help`;
  }
  return `unknown flag ${JSON.stringify(`--${shown}`)}${didYouMean(shown, FLAG_NAMES)}; see lb4 --help`;
}

const FLAG_NAMES = [
  'listen',
  'to',
  'strategy',
  'udp',
  'config',
  'engine',
  'threads',
  'admin',
  'name',
  'send-proxy',
  'accept-proxy',
  'connect-timeout',
  'idle-timeout',
  'drain-timeout',
  'check-interval',
  'check-timeout',
  'fall',
  'rise',
  'no-check',
  'max-connections',
  'log-level',
  'log-format',
  'print-config',
  'version',
  'help',
];

const EXAMPLES: readonly (readonly [string, string])[] = [
  ['--listen 5432 --to a,b,c', 'TCP port 5432 over three hosts, same port'],
  ['-l :53 --udp -t 10.0.0.1,10.0.0.2', 'UDP'],
  ['-l 6379 -t r1*3,r2,r3+backup -s ip-hash', 'weights, a backup, affinity by client address'],
  ['-l unix:/run/db.sock -t unix:/run/a.sock,10.0.0.2:5432', 'unix sockets on either side'],
  ['-c lb4.toml', 'run a file'],
  ['check lb4.toml', 'check a file'],
  ['-l 5432 -t a,b --print-config', 'the file that these flags stand for'],
  ['-l 5432 -t a,b --engine net --threads 1', 'choose the data plane'],
  ['-l 5432 -t a,b --admin 127.0.0.1:9090 --name edge', 'where to operate it, and its name'],
  ['-l 5432 -t a,b --send-proxy v2', "tell backends the client's address"],
  ['-l 5432 -t a,b --accept-proxy', "take the client's address from a header"],
  ['-l 5432 -t a,b --connect-timeout 2s --idle-timeout 1h', 'timeouts'],
  ['-l 5432 -t a,b --drain-timeout 2m', 'patience at shutdown'],
  ['-l 5432 -t a,b --check-interval 1s --check-timeout 500ms', 'health checks'],
  ['-l 5432 -t a,b --fall 2 --rise 1', 'how fast a backend goes down and up'],
  ['-l 5432 -t a,b --no-check', 'no active health checks'],
  ['-l 5432 -t a,b --max-connections 10000', 'a limit for the process'],
  ['-l 5432 -t a,b --log-level debug --log-format json', 'logging'],
];

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import t from 'tap';
import { parseArguments } from '../../src/cli/arguments.js';
import { COMMANDS } from '../../src/cli/commands.js';
import { exampleLine, FLAGS } from '../../src/cli/flags.js';
import { report } from '../../src/cli/report.js';
import { VERSION } from '../../src/version.js';
import { lb4 } from './lb4.js';

/** Words after `lb4`, and the one line on standard error that they must give. */
const WRONG: readonly (readonly [string, string])[] = [
  ['', 'lb4: expected --listen and --to, or -c FILE; see lb4 --help'],
  ['--listen 1', '--to: expected a list of backends "host[:port]", got none'],
  ['--to a:1', '--listen: expected an address to listen on, "[HOST:]PORT", got none'],
  ['--lisen 1 --to a', 'lb4: unknown flag "--lisen" (did you mean "--listen"?); see lb4 --help'],
  [
    '-l 1 -t a --checkInterval 1s',
    'lb4: unknown flag "--checkInterval" (did you mean "--check-interval"?); see lb4 --help',
  ],
  ['-l 1 -t a --no-chek', 'lb4: unknown flag "--no-chek" (did you mean "--no-check"?); see lb4 --help'],
  ['-l 1 -t a --to.x b', 'lb4: unknown flag "--to.x" (did you mean "--to"?); see lb4 --help'],
  ['-l 1 -t a --constructor', 'lb4: unknown flag "--constructor"; see lb4 --help'],
  ['-l 1 -t a -x', 'lb4: unknown flag "-x"; see lb4 --help'],
  ['chek lb4.toml', 'lb4: unknown command "chek" (did you mean "check"?); see lb4 --help'],
  ['-l 1 -t a extra', 'lb4: unknown command "extra"; see lb4 --help'],
  ['run run', 'lb4: unexpected word "run"; see lb4 --help'],
  ['check', 'lb4: check: expected FILE, got none; see lb4 check --help'],
  ['check a b', 'lb4: unexpected word "b"; see lb4 check --help'],
  ['check a --udp', 'lb4: "--udp" is a flag of lb4 run, not of lb4 check; see lb4 check --help'],
  ['--json status', 'lb4: "--json" is a flag of lb4 status, not of lb4 run; see lb4 --help'],
  ['drian pg/a', 'lb4: unknown command "drian" (did you mean "drain"?); see lb4 --help'],
  ['drain', 'lb4: drain: expected SERVICE/BACKEND, got none; see lb4 drain --help'],
  ['drain a b', 'lb4: unexpected word "b"; see lb4 drain --help'],
  ['drain a --wiat', 'lb4: unknown flag "--wiat" (did you mean "--wait"?); see lb4 drain --help'],
  ['drain a --timeout 5s', 'lb4: expected --wait beside --timeout'],
  [
    'drain a --wait --timeout 5',
    'lb4: --timeout: expected a duration such as "500ms", "5s", "2m" or "0", got "5"',
  ],
  ['weight a', 'lb4: weight: expected N, got none; see lb4 weight --help'],
  ['weight a 1.5', 'lb4: weight: expected a whole number, got "1.5"'],
  ['close a --rate 5', 'lb4: --rate: expected a rate such as "100/s", "30/m" or "0", got "5"'],
  ['add pg', 'lb4: add: expected ADDRESS, got none; see lb4 add --help'],
  [
    'status --admin nowhere',
    'lb4: --admin: expected a listen address "[HOST:]PORT" or "unix:/path", got "nowhere"',
  ],
  ['status --admin unix:/x --name a', 'lb4: expected --admin or --name, got both'],
  ['status --token-file /nowhere', 'lb4: --token-file: cannot read "/nowhere": no such file'],
  ['-l 1 -t a -- b', 'lb4: expected flags and their values, got "--"'],
  ['-l', 'lb4: expected a value after -l, got none'],
  ['-l 1 --to --udp', 'lb4: expected a value after --to, got none'],
  ['-l 1 -t a --fall', 'lb4: expected a value after --fall, got none'],
  ['-l 1 -t a --fall x', 'lb4: --fall: expected a whole number, got "x"'],
  ['-l 1 -t a --rise -1', 'lb4: --rise: expected a whole number, got "-1"'],
  ['-l 1 -t a --threads 1.5', 'lb4: --threads: expected a whole number, got "1.5"'],
  ['-l 1 -t a --fall 1 --fall 2', 'lb4: expected --fall once, got it 2 times'],
  ['-c a -c b', 'lb4: expected --config once, got it 2 times'],
  ['-l 1 -t a --udp=yes', 'lb4: expected --udp without a value, got "yes"'],
  [
    '-c lb4.toml --listen 1',
    "lb4: expected no service's flags beside -c FILE, got --listen: put it into the file",
  ],
  [
    'run -c lb4.toml -t a --no-check',
    "lb4: expected no service's flags beside -c FILE, got --to, --no-check: put it into the file",
  ],
  [
    '-l 1 -t a --connect-timeout 5',
    '--connect-timeout: expected a duration such as "500ms", "5s", "2m" or "0", got "5"',
  ],
  ['-l 0 -t a', '--to: expected a port in "a", because --listen lets the system choose one'],
  ['-c /nowhere.toml', '/nowhere.toml: cannot be read: no such file'],
  ['check /nowhere.toml', '/nowhere.toml: cannot be read: no such file'],
  ['-c /', '/: cannot be read: it is a folder'],
];

/** In this process, because starting one for each takes long. */
async function refused(line: string): Promise<{ text: string; code: number }> {
  return refusedWords(line.split(' ').filter(Boolean));
}

async function refusedWords(words: readonly string[]): Promise<{ text: string; code: number }> {
  try {
    await parseArguments(words);
  } catch (error) {
    return report(error, words);
  }
  return { text: 'not refused', code: 0 };
}

t.test('a wrong command line is one clear line and exit 2', async t => {
  for (const [words, line] of WRONG) t.same(await refused(words), { text: `${line}\n`, code: 2 }, words);
});

t.test('a word with line breaks in it is a word, and a long one is not printed whole', async t => {
  const word = `a\nb${'x'.repeat(3_000)}`;
  for (const words of [[word], ['drain', 'a', word], [`--${word}`]]) {
    const { text, code } = await refusedWords(words);
    t.equal(code, 2);
    t.match(text, /^lb4: un(known|expected) (command|word|flag) "[^\n]*…?"; see lb4 (drain )?--help\n$/);
    t.ok(text.length < 300, `${text.length} characters`);
  }
});

t.test('what is wrong with a command line goes to standard error', async t => {
  const { code, stdout, stderr } = await lb4(['--lisen', '1']);
  t.same({ code, stdout }, { code: 2, stdout: '' });
  t.match(stderr, /^lb4: unknown flag [^\n]*\n$/);
});

t.test('every fault of a command line at once', async t => {
  const { code, text } = await refused(
    '-l 70000 -t a:1*x -s roundrobin --idle-timeout soon --log-level loud --engine epol',
  );
  t.equal(code, 2);
  const lines = text.trimEnd().split('\n');
  for (const flag of ['--listen', '--to', '--strategy', '--idle-timeout', '--log-level', '--engine']) {
    t.equal(lines.filter(line => line.startsWith(`${flag}: expected `)).length, 1, flag);
  }
  t.match(text, /got "roundrobin" \(did you mean "round-robin"\?\)/);
  t.match(text, /got "epol" \(did you mean "epoll"\?\)/);
});

t.test('a stack trace only for those who debug', async t => {
  const quiet = await lb4(['-l', '1', '-t', 'a', '--fall', 'x']);
  t.notMatch(quiet.stderr, /\n\s+at /);
  const debug = await lb4(['-l', '1', '-t', 'a', '--fall', 'x', '--log-level', 'debug']);
  t.match(debug.stderr, /^lb4: --fall: expected a whole number, got "x"\n[\s\S]*\n\s+at /);
  t.equal(debug.code, 2);
});

t.test('--version', async t => {
  t.same(await lb4(['--version']), { code: 0, stdout: `${VERSION}\n`, stderr: '' });
});

t.test('--help has every command, every flag and an example of each', async t => {
  const { code, stdout, stderr } = await lb4(['--help']);
  t.same({ code, stderr }, { code: 0, stderr: '' });
  const [options = '', examples = ''] = stdout.split('\nExamples:\n');
  for (const { name, alias } of FLAGS) {
    t.match(options, new RegExp(`--${name}\\b`), `--${name}`);
    t.match(
      examples,
      new RegExp(` (--${name}${alias ? `|-${alias}` : ''})( |$)`, 'm'),
      `example of --${name}`,
    );
  }
  for (const { name } of COMMANDS) t.match(options, new RegExp(`lb4 ${name}\\b`));
  t.equal((await lb4(['-h'])).stdout, stdout, '-h');
});

const ARGUMENTS = new URL('../../src/cli/arguments.js', import.meta.url).href;

/** What these lines print, one process for all of them: this one's standard output is tap's. */
async function printed(lines: readonly (readonly string[])[]): Promise<string[]> {
  const mark = '\u0000';
  const script = `
    const { parseArguments } = await import(${JSON.stringify(ARGUMENTS)});
    for (const words of ${JSON.stringify(lines)}) {
      await parseArguments(words);
      process.stdout.write('\\0');
    }`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  return stdout.split(mark).slice(0, -1);
}

t.test("every command's own --help has its flags and an example", async t => {
  const others = COMMANDS.filter(({ name }) => name !== 'run');
  const helps = await printed(others.map(({ name }) => [name, '--help']));
  for (const [i, { name, flags, examples }] of others.entries()) {
    const help = helps[i]!;
    for (const flag of flags) t.match(help, `--${flag.name}`, `${name} --${flag.name}`);
    t.ok(examples.length > 0 && examples.every(line => help.includes(line)), `${name}: examples`);
    t.notMatch(help, '--listen', `${name}: no flags of others`);
  }
});

t.test('every example of --help is one that holds', async t => {
  // Those with a file need one.
  const lines = FLAGS.map(exampleLine).filter(line => !line.includes(' --config '));
  const configs = await printed(
    lines.map(line => [...line.replace(' --print-config', '').split(' ').slice(1), '--print-config']),
  );
  t.ok(configs.length > 20 && configs.every(text => text.includes('[services.main]')));
});

t.test('what stands on the command line moves no cursor and forges no line', async t => {
  for (const word of ['\x1b[2J', 'a\u009bb', 'a\nlb4: all is well', '\u202e']) {
    const words = ['-l', '1', '-t', 'a', word];
    const error: unknown = await parseArguments(words).then(
      () => undefined,
      error => error,
    );
    const { text } = report(error, words);
    t.match(text, /^lb4: [^\p{Cc}\u202e]+\n$/u, JSON.stringify(text));
  }
});

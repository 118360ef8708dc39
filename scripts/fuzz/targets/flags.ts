import { ok, deepStrictEqual as same } from 'node:assert';
import { understand } from '../../../src/cli/arguments.js';
import { COMMANDS, RUN } from '../../../src/cli/commands.js';
import { complete } from '../../../src/cli/completion/complete.js';
import { report } from '../../../src/cli/report.js';
import { configSource } from '../../../src/cli/source.js';
import { readFlags } from '../../../src/cli/values.js';
import { loadConfigText } from '../../../src/config/load.js';
import { printConfig } from '../../../src/config/print.js';
import { Lb4Error } from '../../../src/errors.js';
import type { Random } from '../random.js';
import type { Target } from '../target.js';

const VALUES = [
  ...[
    '5432',
    ':53',
    '[::1]:80',
    '127.0.0.1:0',
    'unix:/x',
    'fd:a',
    'a,b:1*3,c+backup',
    'a:1',
    'srv:_a._tcp.b',
    '[::1]',
  ],
  ...[
    'a*',
    'a**2',
    'a+',
    ',',
    'a:0',
    'a:65536',
    '*',
    '+backup',
    '-1',
    '0',
    '1e9',
    '99999999999',
    '5s',
    '0',
    '1.5h',
    '1y',
  ],
  ...[
    'v1',
    'v2',
    'ip-hash',
    './x.js',
    'off',
    'unix',
    'epoll',
    'net',
    'debug',
    'json',
    'nobody',
    'nobody:x',
    'pg/a:1',
    'pg',
    'bash',
  ],
];

/** The command line: words apart, flags, the configuration that they stand for, completion. A zero byte parts two words. */
export function flagsTarget(): Target {
  const flags = [...new Set(COMMANDS.flatMap(({ flags }) => flags.map(({ name }) => `--${name}`)))];
  const names = COMMANDS.map(({ name }) => name);
  const generate = (random: Random): string => {
    const words = random.once(3)
      ? [random.pick(names)]
      : ['-l', random.pick(VALUES), '-t', random.pick(VALUES)];
    for (let left = random.below(5); left > 0; left--) {
      words.push(random.pick(flags));
      if (!random.once(3)) words.push(random.pick(VALUES));
    }
    return words.join('\0');
  };
  return {
    words: [
      ...[...flags, ...names, ...VALUES].flatMap(word => [word, `\0${word}\0`]),
      ...[
        '\0',
        '=',
        '--',
        '-',
        '-l\0',
        '-t\0',
        '-s',
        '-c',
        '--no-',
        '--no-check',
        '--check',
        '--a.b',
        '--__proto__=',
        '--constructor',
      ],
      ...[
        '\u00c2\u009b',
        '\u00e2\u0080\u00ae',
        '\x1b[2J',
        '\n',
        '"',
        "'",
        '--help',
        '--version',
        '--listen=',
      ],
    ],
    seeds: [
      '-l\x005432\0-t\0a,b*2,c+backup',
      '-l\0:53\0--udp\0-t\x001.2.3.4',
      'weight\0pg/a\x005',
      'add\0pg\0a:1\0--as\0b',
    ],
    generate,
    run: async input => {
      const words = Buffer.from(input).toString().split('\0');
      await complete(words, COMMANDS, () => Promise.reject(new Error('nobody to ask')));
      try {
        await understood(words);
      } catch (error) {
        if (!(error instanceof Lb4Error)) throw error;
        const { text, code } = report(error, words);
        ok(code === 2 || error.code === 'LB4_PERMISSION', `exit code ${code} for ${error.code}`);
        const isDebugging = text.includes('\n    at ');
        const lines = text.trimEnd().split('\n');
        ok(
          isDebugging || !/[\p{Cc}\p{Cs}\u2028-\u202e]/u.test(lines.join('')),
          `something in it: ${JSON.stringify(text)}`,
        );
        ok(isDebugging || lines.every(line => line.length < 2_000), 'a line that nobody reads');
      }
    },
  };
}

async function understood(words: readonly string[]): Promise<void> {
  const found = await understand(words);
  if (found === undefined) return;
  const { command, line } = found;
  if (command !== RUN) {
    for (const { name, kind } of command.flags)
      kind === 'number' ? line.number(name) : kind === 'text' && line.text(name);
    for (const { name } of command.positionals) line.text(name);
    return;
  }
  const flags = readFlags(line);
  // Files are the other target's.
  if (flags.config !== undefined) return;
  const { config } = configSource(flags).read();
  same(loadConfigText(printConfig(config), 'x', {}).config, config, 'printed it is another');
}

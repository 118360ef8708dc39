import { ok, deepStrictEqual as same } from 'node:assert';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { diffConfig } from '../../../src/config/diff.js';
import { loadConfigText } from '../../../src/config/load.js';
import { printConfig } from '../../../src/config/print.js';
import type { Config } from '../../../src/config/schema.js';
import { ConfigError, formatIssue } from '../../../src/errors.js';
import type { Target } from '../target.js';

const EXAMPLES = fileURLToPath(new URL('../../../../configs/', import.meta.url));

/** Keys that TOML, lb4 and JavaScript have a meaning for. */
const WORDS = [
  ...[
    '[services.pg]\n',
    '[services.pg.health]\n',
    '[[services.pg.backends]]\n',
    '[groups.a]\n',
    '"""',
    "'''",
  ],
  ...[
    'listen = ',
    'backends = [',
    'strategy = ',
    'kind = ',
    ' = ',
    '"',
    "'",
    '[',
    ']',
    '{',
    '}',
    ',',
    '\n',
    '.',
    '#',
  ],
  ...[
    '"10.0.0.1:80"',
    '":80"',
    '"[::1]:80"',
    '"unix:/x"',
    '"srv:_a._tcp.b"',
    '"a:1 weight=2 backup"',
    '"5s"',
    '"9/s"',
  ],
  ...[
    '"udp"',
    '"tcp"',
    '"exchange"',
    '"postgres"',
    '"redis"',
    'true',
    'false',
    '-1',
    '0',
    'nan',
    'inf',
    '1979-01-01',
  ],
  ...[
    '__proto__',
    'constructor',
    'prototype',
    'toString',
    '\\u0000',
    '\\ud800',
    '\0',
    '\u00ef\u00bb\u00bf',
    '\\',
    '$\u007bHOME}',
    '$\u007b',
  ],
  ...[
    'health.',
    'timeouts.',
    'socket.',
    'udp.',
    'retry.',
    'proxy_protocol.',
    'runtime.',
    'admin.',
    'log.',
    'group = ',
  ],
];

/** The loader of configuration files: TOML, schema, checks, lint, printing and comparing. */
export function configTarget(): Target {
  const examples = readdirSync(EXAMPLES)
    .filter(name => name.endsWith('.toml'))
    .map(name => readFileSync(EXAMPLES + name).subarray(0, 4_000));
  // Each key that there is, in the words of the file that has them all.
  const lines = readFileSync(`${EXAMPLES}all-options.toml`, 'latin1').split('\n');
  const keys = lines.flatMap(line => /^#?\s*([a-z_0-9]+ = .*?)\s*(#.*)?$/.exec(line)?.[1] ?? []);
  let last: Config | undefined;
  return {
    words: [...WORDS, ...keys.map(key => `${key}\n`)],
    seeds: examples,
    run: input => {
      const text = Buffer.from(input).toString();
      const config = load(text);
      if (config === undefined) return;
      const printed = printConfig(config);
      // Passwords are not printed.
      if (!printed.includes('# password = ')) same(load(printed, true), config, 'printed it is another');
      same(diffConfig(config, config).changed, [], 'differs from itself');
      if (last !== undefined) diffConfig(last, config);
      last = config;
    },
  };
}

/** Undefined for what does not hold and says so as it should. */
function load(text: string, mustHold = false): Config | undefined {
  try {
    const { config, issues } = loadConfigText(text, 'x.toml', { HOME: '/root' }, { base: '/etc' });
    for (const issue of issues) checkLine(formatIssue(issue));
    ok(Object.isFrozen(config.services), 'not frozen');
    return config;
  } catch (error) {
    if (!(error instanceof ConfigError) || mustHold) throw error;
    const lines = text.split('\n');
    ok(error.issues.length > 0, 'no issue');
    for (const issue of error.issues) {
      checkLine(formatIssue(issue));
      const { line = 1, column = 1 } = issue;
      const isThere =
        line >= 1 && line <= lines.length && column >= 1 && column <= lines[line - 1]!.length + 1;
      ok(isThere, `a place outside of the file: ${line}:${column}`);
    }
    return undefined;
  }
}

/** A line that can be printed anywhere, and is not too long to be read. */
function checkLine(line: string): void {
  ok(line.length < 2_000, `a line of ${line.length} characters`);
  ok(!/[\p{Cc}\p{Cs}\u2028-\u202e]/u.test(line), `a line with something in it: ${JSON.stringify(line)}`);
}

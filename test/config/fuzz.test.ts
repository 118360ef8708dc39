import fc from 'fast-check';
import t from 'tap';
import { loadConfigText } from '../../src/config/load.js';
import { type OneLinerFlags, parseOneLiner } from '../../src/config/one-liner.js';
import { parseConfigObject } from '../../src/config/parse.js';
import { printConfig } from '../../src/config/print.js';
import { editDistance } from '../../src/config/text.js';
import { ConfigError } from '../../src/errors.js';
import { rawConfig } from './arbitrary.js';

/** True when `run` returns or throws a ConfigError whose every line is one line with a place inside the text. */
function holds(run: () => unknown, text = ''): boolean {
  try {
    run();
    return true;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const lines = text.split('\n');
    return (
      error.issues.length > 0 &&
      error.message.split('\n').length === error.issues.length &&
      error.issues.every(({ line = 1, column = 1 }) => {
        return (
          line >= 1 && line <= lines.length && column >= 1 && column <= (lines[line - 1]?.length ?? 0) + 1
        );
      })
    );
  }
}

const words = fc.constantFrom(
  '[services.pg]\n',
  '[services.pg.health]\n',
  '[[services.pg.backends]]\n',
  'listen',
  'backends',
  'strategy',
  'kind',
  'protocol',
  'udp',
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
  '"10.0.0.1:80"',
  '":80"',
  '5',
  '-1',
  'true',
  '"""',
  '\\u00',
  '\u0024{',
  '}',
  '#',
  '__proto__',
  'constructor',
  '1979-01-01',
  '\0',
  '\ufeff',
  '\ud800',
  'nan',
  '"udp"',
); // prettier-ignore

t.test('text that is nearly TOML, or not at all', async () => {
  const text = fc.oneof(
    fc.array(words, { maxLength: 30 }).map(list => list.join('')),
    fc.string({ unit: 'binary' }),
  );
  fc.assert(
    fc.property(text, body => holds(() => loadConfigText(body, 'x', {}), body)),
    { numRuns: 2000 },
  );
});

t.test('good files with a piece cut out, doubled or replaced', async () => {
  const edits = fc.array(fc.tuple(fc.nat(), fc.nat(20), words), { maxLength: 3 });
  fc.assert(
    fc.property(rawConfig, edits, (raw, list) => {
      let body = printConfig(parseConfigObject(raw));
      for (const [at, length, word] of list) {
        const start = at % (body.length + 1);
        body = body.slice(0, start) + word + body.slice(start + length);
      }
      return holds(() => loadConfigText(body, 'x', {}), body);
    }),
    { numRuns: 300 },
  );
});

t.test('objects of any shape, and good ones with any value anywhere', async () => {
  fc.assert(fc.property(fc.anything(), value => holds(() => parseConfigObject(value))));
  const keys = fc.constantFrom(
    'listen',
    'backends',
    'strategy',
    'health',
    'udp',
    'timeouts',
    'allow',
    'protocol',
    'socket',
  ); // prettier-ignore
  fc.assert(
    fc.property(
      keys,
      fc.anything({ withNullPrototype: true, withBigInt: true, withDate: true }),
      (key, value) =>
        holds(() =>
          parseConfigObject({ services: { a: { listen: ':1', backends: ['b:1'], [key]: value } } }),
        ),
    ),
    { numRuns: 1000 },
  );
});

t.test('flags', async () => {
  const text = fc.oneof(
    fc.string(),
    fc.stringMatching(/^[a:.*+[\]0-9,/-]{0,12}$/),
    fc.constantFrom('80', 'a:1', 'unix:/x'),
  );
  const flags: fc.Arbitrary<OneLinerFlags> = fc.record(
    {
      listen: fc.array(text, { maxLength: 3 }),
      to: fc.array(text, { maxLength: 3 }),
      strategy: text,
      udp: fc.boolean(),
      admin: text,
      idleTimeout: text,
      fall: fc.double(),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(flags, f => holds(() => parseOneLiner(f))),
    { numRuns: 2000 },
  );
});

t.test('n faults in n services are n lines', async t => {
  const fault = fc.constantFrom(
    'fall = 3',
    'strategy = "frist"',
    'deny = ["x"]',
    'max_connections = -1',
    'listn = 1',
  );
  fc.assert(
    fc.property(fc.array(fault, { minLength: 1, maxLength: 8 }), faults => {
      const parts = faults.map(
        (f, i) => `[services.s${i}]\nlisten = ":${i + 1}"\nbackends = ["a:1"]\n${f}\n`,
      );
      try {
        loadConfigText(parts.join(''), 'x', {});
        return false;
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        const lines = error.issues.map(issue => issue.line);
        return lines.join() === faults.map((_, i) => 4 * (i + 1)).join();
      }
    }),
  );
  t.pass();
});

t.test('edit distance is a distance', async t => {
  const word = fc.stringMatching(/^[abc]{0,6}$/);
  fc.assert(
    fc.property(word, word, (a, b) => {
      const d = editDistance(a, b);
      return d === editDistance(b, a) && (d === 0) === (a === b) && d <= Math.max(a.length, b.length);
    }),
  );
  t.equal(editDistance('intervall', 'interval'), 1);
  t.equal(editDistance('frist', 'first'), 1);
});

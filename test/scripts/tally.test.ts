import t from 'tap';
import { Tally } from '../../scripts/tally.js';

function run(tap: string, checks: string[] = []): { lines: string[]; code: number } {
  const lines: string[] = [];
  const tally = new Tally(line => lines.push(...line.split('\n')), checks);
  for (const line of tap.split('\n')) tally.line(line);
  return { code: tally.end(), lines };
}

const GOOD = `TAP version 14
# Subtest: dist/test/a.test.js
    # Subtest: one
        ok 1 - should be equal
        1..1
    ok 1 - one # time=1ms
    ok 2 - two # SKIP no server
    1..2
ok 1 - dist/test/a.test.js # time=1234.5ms`;

const BAD = `# Subtest: dist/test/b.test.js
    # Subtest: outer
        # Subtest: inner
            not ok 1 - numbers differ
              ---
              diff: |
                -2
                +1
              ...
        not ok 1 - inner # time=2ms
          ---
          source: of the inner test
          ...
    not ok 1 - outer # time=3ms
      ---
      source: of the outer test
      ...
    ok 2 - other # time=1ms
not ok 2 - dist/test/b.test.js # time=5ms
  ---
  exitCode: 1
  ...`;

const CRASH = `not ok 3 - dist/test/c.test.js # time=7ms
  ---
  exitCode: 9
  ...`;

t.test('counts tests, not assertions, and says what was skipped', async t => {
  const { lines, code } = run(GOOD);
  t.equal(code, 0);
  t.equal(lines[0], '✔ dist/test/a.test.js  (1 passed, 1 skipped, 1.2 s)');
  t.equal(lines[1], '    skipped: two no server');
  t.equal(lines.at(-1), '1 passed, 0 failed, 1 skipped');
});

t.test('shows why the innermost test failed, and no more', async t => {
  const { lines, code } = run(`${GOOD}\n${BAD}`);
  t.equal(code, 1);
  t.ok(lines.some(line => line.trim() === '✖ numbers differ'));
  t.ok(lines.some(line => line.trim() === '+1'));
  t.notOk(lines.some(line => line.includes('source: of the')));
  t.notOk(lines.some(line => line.includes('exitCode')));
  t.ok(lines.includes('  dist/test/b.test.js: outer'));
  t.equal(lines.at(-1), '2 passed, 1 failed, 1 skipped');
});

t.test('a file that crashed is a failure, with what is known about it', async t => {
  const { lines, code } = run(`${GOOD}\n${CRASH}`);
  t.equal(code, 1);
  t.ok(lines.some(line => line.trim() === 'exitCode: 9'));
  t.equal(lines.at(-1), '1 passed, 1 failed, 1 skipped');
});

t.test('checks that failed before the tests count', async t => {
  const { lines, code } = run(GOOD, ['lint']);
  t.equal(code, 1);
  t.ok(lines.includes('  lint'));
  t.equal(lines.at(-1), '1 passed, 1 failed, 1 skipped');
});

t.test('no test at all is a failure', async t => {
  const { lines, code } = run('TAP version 14\n1..0');
  t.equal(code, 1);
  t.equal(lines.at(-1), '0 passed, 1 failed');
});

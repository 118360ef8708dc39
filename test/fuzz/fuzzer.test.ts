import { createHash } from 'node:crypto';
import t from 'tap';
import { inputText } from '../../scripts/fuzz/corpus.js';
import { Fuzzer } from '../../scripts/fuzz/fuzzer.js';
import { Heartbeat } from '../../scripts/fuzz/heartbeat.js';
import { MAX_INPUT, mutate } from '../../scripts/fuzz/mutate.js';
import { Random } from '../../scripts/fuzz/random.js';
import type { Target } from '../../scripts/fuzz/target.js';
import { parseRate } from '../../src/config/rate.js';
import { Lb4Error } from '../../src/errors.js';

/** Faults of a target after at most this long. */
async function faults(target: Pick<Target, 'run'>, first = 'hello', ms = 5_000): Promise<string[]> {
  const fuzzer = new Fuzzer({ words: ['boom', '1/s', 'x'], seeds: ['hello'], ...target }, 7, () => {});
  for (const until = performance.now() + ms; fuzzer.faults.length === 0 && performance.now() < until; ) {
    await fuzzer.run([Buffer.from(first)], 100);
  }
  fuzzer.close();
  return fuzzer.faults.map(({ input, message }) => `${inputText(input)} ${message.split('\n')[0]}`);
}

/** Use the processor for so long, ms. */
function compute(ms: number): void {
  const before = process.cpuUsage();
  // Asking is a system call, whose time would be the kernel's.
  do for (let i = 0; i < 1_000_000; i++) Math.sqrt(i);
  while (process.cpuUsage(before).user < ms * 1_000);
}

t.test('a fault is found once, and shown with no more than it takes', async t => {
  const found = await faults({
    run: input => {
      if (Buffer.from(input).includes('boom')) throw new TypeError('x of undefined');
    },
  });
  t.strictSame(found, ['"boom" TypeError: x of undefined']);
});

t.test('what is asynchronous is waited for, and what is slow is a fault', async t => {
  const found = await faults(
    {
      run: async input => {
        await Promise.resolve();
        if (Buffer.from(input).includes('boom')) compute(1_200);
      },
    },
    // Nothing that has to be cut down first, at so long a look.
    'boom',
    30_000,
  );
  t.match(found[0], /slow: took \d+ ms/);
});

t.test('inputs that reach new code are kept, and the fewest and shortest of them in the end', async t => {
  const fuzzer = new Fuzzer(
    {
      words: ['1/s', '1', '/', 'm', 'h'],
      seeds: [],
      run: input => {
        try {
          parseRate(Buffer.from(input).toString('latin1'));
        } catch (error) {
          if (!(error instanceof Lb4Error)) throw error;
        }
      },
    },
    1,
    () => {},
  );
  await fuzzer.run([Buffer.from('hello')], 3_000);
  const kept = await fuzzer.distilled();
  fuzzer.close();
  t.strictSame(fuzzer.faults, []);
  t.ok(
    kept.some(input => /^\s*(0|\d+(\.\d+)?\/[smh])\s*$/.test(Buffer.from(input).toString('latin1'))),
    'a rate among them',
  );
  t.ok(kept.length > 0 && kept.length <= fuzzer.corpus.length);
});

t.test('the same seed changes inputs in the same way, and never makes them too long', async t => {
  const run = (seed: number): string => {
    const random = new Random(seed);
    const others = [Buffer.alloc(3_000, 'a'), Buffer.from('x=1\ny=2\n')];
    const hash = createHash('sha1');
    for (let i = 0; i < 2_000; i++) {
      const input = mutate(random.pick(others), { random, words: [Buffer.from('w')], others });
      if (input.length > MAX_INPUT) t.fail(`${input.length} bytes`);
      hash.update(input);
    }
    return hash.digest('hex');
  };
  t.equal(run(3), run(3));
  t.not(run(3), run(4));
});

t.test('another thread sees what the input was', async t => {
  const mine = new Heartbeat();
  const theirs = new Heartbeat(mine.buffer);
  mine.beat(Buffer.from('a long one'));
  mine.beat(Buffer.from('short'));
  t.equal(theirs.count, 2);
  t.equal(Buffer.from(theirs.input).toString(), 'short');
});

import t from 'tap';
import { inputText } from '../../scripts/fuzz/corpus.js';
import { fuzz } from '../../scripts/fuzz/fuzz.js';
import { TARGETS } from '../../scripts/fuzz/target.js';

/** For each of them: long enough to try what was found once and what lies near it. */
const SECONDS = process.env.CI ? 20 : 2;
const AT_A_TIME = 3;

t.test('whatever comes is taken, or refused in words', async t => {
  const left = Object.keys(TARGETS);
  const some = async (): Promise<void> => {
    for (let target = left.shift(); target !== undefined; target = left.shift()) {
      const seed = Math.floor(Math.random() * 2 ** 32);
      const { executions, functions, faults } = await fuzz({ target, seconds: SECONDS, seed });
      const found = faults.map(({ input, message }) => `--input '${inputText(input)}': ${message}`);
      t.strictSame(found, [], `${target}: ${executions} inputs, seed ${seed}`);
      t.ok(functions > 10, `${target}: coverage is counted`);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, some));
});

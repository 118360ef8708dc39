/** node dist/scripts/fuzz/main.js: gives the parsers of untrusted bytes inputs that nobody has thought of; see --help. */
import { parseArgs } from 'node:util';
import { inputText } from './corpus.js';
import { fuzz, type Options, type Outcome } from './fuzz.js';
import { bytesOf, TARGETS } from './target.js';

const USAGE = `Fuzzing with the coverage that V8 counts.

node dist/scripts/fuzz/main.js [options]

  --target LIST   of ${Object.keys(TARGETS).join(', ')} (default: all, one after the other)
  --seconds N     for each of them (default 600)
  --seed N        the first inputs are the same for the same seed (default: a random one, which is printed)
  --keep          write the inputs that are worth keeping to scripts/fuzz/corpus/TARGET.txt
  --input JSON    give the target this one input, as a fault shows it, and nothing else

Exit code 1 when something fell.`;

process.exitCode = await main(process.argv.slice(2));

async function main(words: string[]): Promise<number> {
  const text = { type: 'string' } as const;
  const yes = { type: 'boolean', default: false } as const;
  const { values } = parseArgs({
    args: words,
    options: { target: text, seconds: text, seed: text, input: text, keep: yes, help: yes },
  });
  const targets = (values.target ?? Object.keys(TARGETS).join()).split(',');
  const unknown = targets.find(name => !Object.hasOwn(TARGETS, name));
  if (unknown !== undefined || values.help) {
    if (unknown !== undefined) console.error(`no target ${JSON.stringify(unknown)}\n`);
    console.log(USAGE);
    return values.help ? 0 : 2;
  }
  if (values.input !== undefined) return await reproduce(targets[0]!, values.input);
  let fell = 0;
  for (const target of targets) {
    const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 32));
    const options: Options = { target, seed, seconds: Number(values.seconds ?? 600), keep: values.keep };
    const outcome = await fuzz(options);
    console.log(report(options, outcome));
    fell += outcome.faults.length;
  }
  return fell === 0 ? 0 : 1;
}

async function reproduce(target: string, json: string): Promise<number> {
  const one = await TARGETS[target]!();
  try {
    await one.run(bytesOf(JSON.parse(json) as string));
    console.log('all is well');
    return 0;
  } catch (error) {
    console.error(error);
    return 1;
  } finally {
    await one.close?.();
  }
}

function report({ target, seconds, seed }: Options, outcome: Outcome): string {
  const { executions, functions, interesting, corpus, heap, faults } = outcome;
  const mib = heap.map(bytes => `${(bytes / 2 ** 20).toFixed(1)} MiB`).join(' → ');
  const what = `${executions} inputs in ${seconds} s, ${functions} functions reached, ${interesting} inputs led on`;
  const lines = [`${target}: ${what}, corpus ${corpus.join(' → ')}, heap ${mib}, seed ${seed}`];
  for (const { input, message } of faults) {
    lines.push(`  ${message.split('\n').slice(0, 8).join('\n    ')}`);
    lines.push(`    --target ${target} --input '${inputText(input).replaceAll("'", "'\\''")}'`);
  }
  return lines.join('\n');
}

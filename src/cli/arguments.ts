import yargs, { type Argv } from 'yargs';
import { VERSION } from '../version.js';
import { check } from './check.js';
import { exampleLine, FLAGS } from './flags.js';
import { run } from './run.js';
import { checkWords, usage, usageError } from './usage.js';
import { readFlags } from './values.js';

/**
 * Understand the command line and do what it says; resolves to the exit code.
 * Throws Lb4Error LB4_USAGE for flags and words that are not known or lack a value.
 */
export async function parseArguments(words: readonly string[]): Promise<number> {
  // A half-written line that a shell wants completed may be anything.
  if (words[0] !== '--get-yargs-completions') checkWords(words);
  let action: () => number | Promise<number> = () => 0;
  const parser = addFlags(yargs([...words]))
    .scriptName('lb4')
    .usage(
      '$0 --listen [HOST:]PORT --to HOST[:PORT],…   balance a port over some hosts\n$0 -c FILE                                   run a configuration file',
    )
    .command(
      ['run', '$0'],
      'Run: flags, or -c FILE',
      command => command,
      found => {
        action = () => run(readFlags(found));
      },
    )
    .command(
      'check [file]',
      'Check a configuration file: every error at once, and what looks like a mistake',
      command => command.positional('file', { type: 'string', describe: 'TOML file' }),
      ({ file, _: __, $0, ...flags }) => {
        action = () => {
          if (file === undefined) throw usage('check: expected a file, got none');
          const [flag] = FLAGS.filter(({ name }) => name in flags);
          if (flag !== undefined) throw usage(`check: expected a file alone, got --${flag.name} as well`);
          return check(file);
        };
      },
    )
    .command('completion', 'Print a completion script for bash or zsh', {}, () => {
      parser.showCompletionScript();
    })
    // Strict and literal: nothing is guessed, spelled in two ways or taken apart further.
    .parserConfiguration({
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'greedy-arrays': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'strip-aliased': true,
    })
    .version(VERSION)
    .help()
    .alias('help', 'h')
    .wrap(Math.min(110, process.stdout.columns ?? 100))
    .strict()
    .fail((message, error) => {
      // What yargs itself raises is about the command line too.
      if (error && error.name !== 'YError') throw error;
      throw usageError(message ?? error.message, words);
    })
    .exitProcess(false);
  await parser.parseAsync();
  return await action();
}

function addFlags(parser: Argv): Argv {
  for (const flag of FLAGS) {
    const { name, alias, kind, describe } = flag;
    parser.option(name, {
      describe,
      ...(alias !== undefined && { alias }),
      ...(kind === 'switch' ? { type: 'boolean' } : { type: 'string', requiresArg: true }),
      ...(kind === 'list' && { array: true }),
    });
    parser.example(exampleLine(flag), '');
  }
  return parser
    .example('lb4 check lb4.toml', '')
    .example('lb4 -l :53 --udp -t 10.0.0.1,10.0.0.2', '')
    .example('lb4 -l unix:/run/db.sock -t unix:/run/a.sock,10.0.0.2:5432', '');
}

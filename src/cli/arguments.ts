import yargs, { type Argv } from 'yargs';
import { VERSION } from '../version.js';
import { type Command, CommandLine, type Positional } from './command.js';
import { COMMANDS, RUN } from './commands.js';
import { checkWords, usageError } from './usage.js';

/** A command and what the command line says to it. */
export interface Understood {
  readonly command: Command;
  readonly line: CommandLine;
}

/** Do what the command line says; resolves to the exit code. Rejects as `understand` does, and as the command. */
export async function parseArguments(words: readonly string[]): Promise<number> {
  const understood = await understand(words);
  return understood === undefined ? 0 : await understood.command.run(understood.line);
}

/**
 * What the command line asks for; undefined where that was help or the version, which is printed by now.
 * Rejects with Lb4Error LB4_USAGE for flags and words that are not known or lack a value.
 */
export async function understand(words: readonly string[]): Promise<Understood | undefined> {
  checkWords(words);
  let understood: Understood | undefined;
  // The one whose turn it is, so that what yargs finds wrong can be said in its terms.
  let current = RUN;
  const parser = yargs([...words])
    .scriptName('lb4')
    .usage(
      '$0 --listen [HOST:]PORT --to HOST[:PORT],…   balance a port over some hosts\n$0 -c FILE                                   run a configuration file',
    );
  for (const command of COMMANDS) {
    const line = [command.name, ...command.positionals.map(bracketed)].join(' ');
    parser.command(
      command === RUN ? [line, '$0'] : line,
      command.describe,
      one => {
        current = command;
        return describe(one, command);
      },
      found => {
        understood = { command, line: new CommandLine(found) };
      },
    );
  }
  parser
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
      throw usageError(message ?? error.message, words, current);
    })
    .exitProcess(false);
  await parser.parseAsync();
  return understood;
}

function bracketed({ name, optional = false }: Positional): string {
  return optional ? `[${name}]` : `<${name}>`;
}

function describe(parser: Argv, { positionals, flags, examples }: Command): Argv {
  for (const { name, describe } of positionals) parser.positional(name, { describe, type: 'string' });
  for (const { name, alias, kind, describe } of flags) {
    parser.option(name, {
      describe,
      ...(alias !== undefined && { alias }),
      ...(kind === 'switch' ? { type: 'boolean' } : { type: 'string', requiresArg: true }),
      ...(kind === 'list' && { array: true }),
    });
  }
  for (const example of examples) parser.example(example, '');
  return parser;
}

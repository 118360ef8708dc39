import { quote } from '../config/text.js';
import { parseDuration } from '../duration.js';
import { Lb4Error } from '../errors.js';

/** What a shell completes: these words, names of files, or what a running instance knows. */
export type Values = readonly string[] | 'files' | 'instances' | 'services' | 'backends';

/** A flag of a command. Its value is read by CommandLine or values.ts; yargs only takes the words apart. */
export interface Flag {
  readonly name: string;
  readonly alias?: string;
  /** `list` may come more than once. */
  readonly kind: 'text' | 'list' | 'number' | 'switch';
  readonly describe: string;
  readonly values?: Values;
}

/** A word that is no flag. */
export interface Positional {
  /** As help shows it: `SERVICE/BACKEND`. */
  readonly name: string;
  readonly describe: string;
  readonly optional?: boolean;
  readonly values?: Values;
}

/** One of lb4's commands: its words, and what it does. */
export interface Command {
  readonly name: string;
  readonly describe: string;
  readonly positionals: readonly Positional[];
  readonly flags: readonly Flag[];
  /** Whole lines. */
  readonly examples: readonly string[];
  /** Resolves to the exit code. Throws Lb4Error. */
  run(line: CommandLine): number | Promise<number>;
}

/** What the command line says to a command. `found`: by name, a word, a list when a flag came again, true for a switch. */
export class CommandLine {
  readonly found: Readonly<Record<string, unknown>>;

  constructor(found: Readonly<Record<string, unknown>>) {
    this.found = found;
  }

  /** The text of a flag or positional; undefined when it is not there. Throws Lb4Error LB4_USAGE when it is there twice. */
  text(name: string): string | undefined {
    const value = this.found[name];
    if (value === undefined) return undefined;
    const words = [value].flat().map(String);
    if (words.length > 1) {
      throw usage(`expected --${name} once, got it ${words.length} times`);
    }
    return words[0];
  }

  /** Every word of a flag that may come more than once; undefined when it is not there. */
  list(name: string): readonly string[] | undefined {
    const value = this.found[name];
    return value === undefined ? undefined : [value].flat().map(String);
  }

  isOn(name: string): boolean {
    return this.found[name] === true;
  }

  /** A whole number of at most ten digits. */
  number(name: string): number | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : wholeNumber(`--${name}`, text);
  }

  /** Milliseconds. */
  duration(name: string): number | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : parsing(`--${name}`, () => parseDuration(text));
  }
}

/** A fault of the command line: what was expected, what was found. */
export function usage(message: string): Lb4Error {
  return new Lb4Error('LB4_USAGE', message);
}

/** Throws Lb4Error LB4_USAGE that names `place`. */
export function wholeNumber(place: string, text: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw usage(`${place}: expected a whole number, got ${quote(text)}`);
}

/** What a parser of values says, with the place in front. */
export function parsing<T>(place: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof Lb4Error)) throw error;
    throw new Lb4Error('LB4_USAGE', `${place}: ${error.message}`, { cause: error });
  }
}

import { basename } from 'node:path';
import { listOf, quote } from '../../config/text.js';
import { type Command, usage } from '../command.js';
import { SCRIPTS } from './scripts.js';

const SHELLS = Object.keys(SCRIPTS);

/** `lb4 completion` */
export const COMPLETION: Command = {
  name: 'completion',
  describe: 'Print a completion script for bash or zsh',
  positionals: [
    { name: 'SHELL', describe: 'bash or zsh [default: what $SHELL says]', optional: true, values: SHELLS },
  ],
  flags: [],
  examples: ['source <(lb4 completion bash)', 'lb4 completion zsh > ~/.zsh/completions/_lb4'],
  run: line => {
    const shell = line.text('SHELL') ?? basename(process.env.SHELL ?? '');
    const script = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined;
    if (script === undefined)
      throw usage(`completion: expected one of ${listOf(SHELLS)}, got ${quote(shell)}`);
    process.stdout.write(script);
    return 0;
  },
};

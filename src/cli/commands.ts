import type { Command } from './command.js';
import { COMPLETION } from './completion/command.js';
import { exampleLine, FLAGS } from './flags.js';
import { OPERATING } from './operate/index.js';
import { TOP } from './top/top.js';
import { readFlags } from './values.js';

/** What runs and checks loads the whole balancer, which operating one does not need. */
export const RUN: Command = {
  name: 'run',
  describe: 'Run: flags, or -c FILE',
  positionals: [],
  flags: FLAGS,
  examples: [
    ...FLAGS.map(exampleLine),
    'lb4 check lb4.toml',
    'lb4 -l :53 --udp -t 10.0.0.1,10.0.0.2',
    'lb4 -l unix:/run/db.sock -t unix:/run/a.sock,10.0.0.2:5432',
  ],
  run: async line => {
    const { run } = await import('./run.js');
    return await run(readFlags(line));
  },
};

const CHECK: Command = {
  name: 'check',
  describe: 'Check a configuration file: every error at once, and what looks like a mistake',
  positionals: [{ name: 'FILE', describe: 'TOML file', values: 'files' }],
  flags: [],
  examples: ['lb4 check lb4.toml'],
  run: async line => {
    const { check } = await import('./check.js');
    return await check(line.text('FILE')!);
  },
};

export const COMMANDS: readonly Command[] = [RUN, CHECK, TOP, ...OPERATING, COMPLETION];

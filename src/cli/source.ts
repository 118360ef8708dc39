import { loadConfigFile } from '../config/load.js';
import { parseOneLiner } from '../config/one-liner.js';
import { processOverrides } from '../config/overrides.js';
import type { Config } from '../config/schema.js';
import { formatIssue, Lb4Error } from '../errors.js';
import { systemFacts } from './check.js';
import { flagsOf, type RunFlags } from './values.js';
import { FileWatch } from './watch.js';

/** A configuration that was read, and what the lint has to say about it. */
export interface Read {
  readonly config: Config;
  readonly warnings: readonly string[];
}

/** Where the configuration comes from: a file that can be read again, or flags that cannot change. */
export interface ConfigSource {
  /** Throws ConfigError. */
  read(): Read;
  /** Absent where it comes from flags. */
  readonly file?: FileWatch;
}

/** Where the flags say that the configuration comes from. Throws Lb4Error LB4_USAGE for flags that do not go together. */
export function configSource(flags: RunFlags): ConfigSource {
  const { config: file, listen, to } = flags;
  if (file === undefined) {
    if (listen === undefined && to === undefined) {
      throw new Lb4Error('LB4_USAGE', 'expected --listen and --to, or -c FILE; see lb4 --help');
    }
    if (flags.watch === true) throw new Lb4Error('LB4_USAGE', 'expected -c FILE with --watch');
    const config = parseOneLiner(flags);
    return { read: () => ({ config, warnings: [] }) };
  }
  const overrides = processOverrides(flags);
  const beside = new Set(['--config', '--print-config', ...overrides.map(({ flag }) => flag)]);
  const mixed = flagsOf(flags).filter(flag => !beside.has(flag));
  if (mixed.length > 0) {
    throw new Lb4Error(
      'LB4_USAGE',
      `expected no service's flags beside -c FILE, got ${mixed.join(', ')}: put it into the file`,
    );
  }
  const watch = new FileWatch(file);
  return {
    file: watch,
    read: () => {
      watch.note();
      const { config, issues } = loadConfigFile(file, process.env, { system: systemFacts(), overrides });
      return { config, warnings: issues.map(formatIssue) };
    },
  };
}

import { networkInterfaces } from 'node:os';
import { loadStrategyFactory } from '../../strategies/load.js';
import type { SystemFacts } from '../config/lint.js';
import { loadConfigFile } from '../config/load.js';
import { requireService } from '../control/service.js';
import { formatIssue } from '../errors.js';
import { fileDescriptorLimit } from '../system-limits.js';

/** What `check` may know about this machine. */
export function systemFacts(): SystemFacts {
  const interfaces = Object.values(networkInterfaces()).flatMap(list =>
    (list ?? []).map(({ address }) => address),
  );
  return { fileLimit: fileDescriptorLimit(), interfaces };
}

/** `lb4 check FILE`: warnings on standard output; errors are thrown, all of them in one ConfigError. Resolves to 0. */
export async function check(file: string): Promise<number> {
  const { config, issues } = loadConfigFile(file, process.env, { system: systemFacts() });
  for (const service of Object.values(config.services)) {
    await requireService(service);
    const { kind, ...options } = service.strategy;
    (await loadStrategyFactory(kind, process.cwd()))({ options, random: Math.random });
  }
  for (const issue of issues) process.stdout.write(`${formatIssue(issue)} (warning)\n`);
  const count = Object.keys(config.services).length;
  const warnings =
    issues.length === 0 ? 'no warnings' : `${issues.length} warning${issues.length > 1 ? 's' : ''}`;
  process.stdout.write(`${file}: ok, ${count} service${count > 1 ? 's' : ''}, ${warnings}\n`);
  return 0;
}

import { Admin } from '../admin/admin.js';
import { createBalancer } from '../balancer.js';
import { loadConfigFile } from '../config/load.js';
import { parseOneLiner } from '../config/one-liner.js';
import { processOverrides } from '../config/overrides.js';
import { printConfig } from '../config/print.js';
import { formatIssue, Lb4Error } from '../errors.js';
import { createLogger } from '../log.js';
import { passedSockets } from '../service-manager/activation.js';
import { Notifier } from '../service-manager/notifier.js';
import { becomeUser, parseIdentity } from '../service-manager/privileges.js';
import { systemFacts } from './check.js';
import { type Read, Reloader } from './reload.js';
import { endBySignal, reloadBySignal } from './signals.js';
import { flagsOf, type RunFlags } from './values.js';

/** Run until a signal ends it; resolves to the exit code. Throws Lb4Error for what does not hold or cannot start. */
export async function run(flags: RunFlags): Promise<number> {
  const read = reader(flags);
  const { config, warnings } = read();
  if (flags.printConfig === true) {
    process.stdout.write(printConfig(config));
    return 0;
  }
  const logger = createLogger(config.log);
  for (const warning of warnings) logger.warn(warning);
  const balancer = createBalancer(config, { logger, sockets: passedSockets(process.env) });
  const manager = await Notifier.open(process.env, {
    alive: () => balancer.settle(),
    onTrouble: reason => logger.warn({ reason }, 'service manager'),
  });
  const ended = endBySignal(balancer, logger, () =>
    manager.stopping(`draining ${balancer.active} connections`),
  );
  const admin: Admin = new Admin({ balancer, log: logger, reload: () => reload() });
  const again = flags.config === undefined ? undefined : read;
  const reloader: Reloader = new Reloader({ balancer, admin, logger, read: again });
  const reload = () => manager.during(reloader.reload());
  const unhook = reloadBySignal(reload);
  try {
    await balancer.start();
    (await admin.prepare(config)).commit();
    if (config.runtime.user !== '') becomeUser(parseIdentity(config.runtime.user));
    const { engine, threads } = balancer.snapshot();
    for (const { service, address } of balancer.addresses) {
      const { protocol, strategy, backends } = config.services[service]!;
      logger.info(
        { service, protocol, listen: address, strategy: strategy.kind, backends: backends.length },
        'listening',
      );
    }
    logger.info({ engine, threads }, 'ready');
    manager.ready(`serving on ${engine}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`);
    return await ended;
  } finally {
    unhook();
    await admin.close();
    await balancer.destroy();
    manager.close();
  }
}

/** Where the configuration comes from: a file that can be read again, or flags that cannot change. */
function reader(flags: RunFlags): () => Read {
  const { config: file, listen, to } = flags;
  if (file === undefined) {
    if (listen === undefined && to === undefined) {
      throw new Lb4Error('LB4_USAGE', 'expected --listen and --to, or -c FILE; see lb4 --help');
    }
    const config = parseOneLiner(flags);
    return () => ({ config, warnings: [] });
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
  return () => {
    const { config, issues } = loadConfigFile(file, process.env, { system: systemFacts(), overrides });
    return { config, warnings: issues.map(formatIssue) };
  };
}

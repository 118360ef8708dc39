import { Admin } from '../admin/admin.js';
import { createBalancer } from '../balancer.js';
import { printConfig } from '../config/print.js';
import { createLogger } from '../log.js';
import { passedSockets } from '../service-manager/activation.js';
import { Notifier } from '../service-manager/notifier.js';
import { becomeUser, parseIdentity } from '../service-manager/privileges.js';
import { Reloader } from './reload.js';
import { endBySignal, reloadBySignal } from './signals.js';
import { configSource } from './source.js';
import type { RunFlags } from './values.js';

/** Run until a signal ends it; resolves to the exit code. Throws Lb4Error for what does not hold or cannot start. */
export async function run(flags: RunFlags): Promise<number> {
  const source = configSource(flags);
  const { config, warnings } = source.read();
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
  const admin: Admin = new Admin({ balancer, log: logger, reload: () => reloader.reload() });
  const during = <T>(work: Promise<T>): Promise<T> => manager.during(work);
  const reloader: Reloader = new Reloader({ balancer, admin, logger, source, during });
  const unhook = reloadBySignal(() => reloader.reload());
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
    source.file?.watch(config.runtime.watch);
    manager.ready(`serving on ${engine}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`);
    return await ended;
  } finally {
    unhook();
    source.file?.watch(false);
    await admin.close();
    await balancer.destroy();
    manager.close();
  }
}

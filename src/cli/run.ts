import { Admin } from '../admin/admin.js';
import { type Balancer, createBalancer } from '../balancer.js';
import { diffConfig, isEmptyDiff, startedWith } from '../config/diff.js';
import { printConfig } from '../config/print.js';
import type { Config } from '../config/schema.js';
import { createLogger, type Logger } from '../log.js';
import type { PassedSocket } from '../pool/plan.js';
import { passedSockets } from '../service-manager/activation.js';
import { DescriptorStore, divideSockets } from '../service-manager/descriptor-store.js';
import { Notifier } from '../service-manager/notifier.js';
import { becomeUser, parseIdentity } from '../service-manager/privileges.js';
import { isSuccessor, refuse, Successor } from '../upgrade/successor.js';
import { Upgrader } from '../upgrade/upgrader.js';
import { Reloader } from './reload.js';
import { endBySignal, onSignal } from './signals.js';
import { type ConfigSource, configSource, type Read } from './source.js';
import type { RunFlags } from './values.js';

/** Run until a signal ends it; resolves to the exit code. Throws Lb4Error for what does not hold or cannot start. */
export async function run(flags: RunFlags): Promise<number> {
  const source = configSource(flags);
  const read = source.read();
  if (flags.printConfig === true) {
    process.stdout.write(printConfig(read.config));
    return 0;
  }
  return await (isSuccessor() ? succeed(source, read) : begin(source, read));
}

/** The parts of a running instance. */
interface Instance {
  readonly balancer: Balancer;
  readonly admin: Admin;
  readonly reloader: Reloader;
  readonly upgrader: Upgrader;
  /** What a socket unit has opened. */
  readonly passed: readonly PassedSocket[];
  /** There once it serves. */
  manager: Notifier | undefined;
  store: DescriptorStore | undefined;
}

/** Start from nothing. */
async function begin(source: ConfigSource, { config, warnings }: Read): Promise<number> {
  const logger = createLogger(config.log);
  for (const warning of warnings) logger.warn(warning);
  const { stored, opened } = divideSockets(passedSockets(process.env));
  const instance = build(source, config, logger, opened);
  const { balancer, admin } = instance;
  await tellManager(instance, logger);
  return await serve(instance, source, logger, async () => {
    await Promise.all([balancer.start(stored), admin.load(config)]);
    const used = await balancer.sockets();
    instance.store?.drop(stored.filter(one => !used.some(({ key }) => key === one.key)));
    (await admin.prepare(config)).commit();
    if (config.runtime.user !== '') becomeUser(parseIdentity(config.runtime.user));
    for (const { service, address } of balancer.addresses) {
      const { protocol, strategy, backends } = config.services[service]!;
      logger.info(
        { service, protocol, listen: address, strategy: strategy.kind, backends: backends.length },
        'listening',
      );
    }
    ready(instance, source, config, logger);
  });
}

/** Take over from another process, then run the configuration that was read. */
async function succeed(source: ConfigSource, read: Read): Promise<number> {
  const { config, warnings } = read;
  const successor = new Successor();
  const prepared = prepareSuccession(successor, source, config);
  const made = await prepared.catch(error => {
    // The other process tells everybody, and ends this one.
    refuse(error);
    return new Promise<never>(() => {});
  });
  const { instance, logger, before } = made;
  const { balancer, admin, reloader } = instance;
  const succession = await successor.takeOver(balancer, admin).catch(error => {
    refuse(error);
    return new Promise<never>(() => {});
  });
  return await serve(instance, source, logger, async () => {
    for (const warning of warnings) logger.warn(warning);
    const { user } = config.runtime;
    // Whoever was started by a process that had become another user is that user already.
    if (user !== '' && process.getuid?.() === 0) becomeUser(parseIdentity(user));
    await tellManager(instance, logger);
    ready(instance, source, config, logger);
    successor.announce(balancer, logger, succession);
    const isSame = isEmptyDiff(diffConfig(before, config));
    const outcome = isSame ? { changes: [] } : await reloader.use({ config, warnings: [] }).catch(failed);
    successor.done(outcome.changes);
  });
}

/** Traffic goes on as before. */
function failed(error: Error): { readonly changes: readonly string[] } {
  return { changes: [`the new configuration was refused: ${error.message}`] };
}

async function prepareSuccession(successor: Successor, source: ConfigSource, config: Config) {
  const old = await successor.meet();
  const before = startedWith(old, config);
  const logger = createLogger(config.log);
  const instance = build(source, before, logger, successor.sockets);
  await successor.prepare(instance.balancer, instance.admin, config);
  return { instance, logger, before };
}

function build(
  source: ConfigSource,
  config: Config,
  logger: Logger,
  sockets: readonly PassedSocket[],
): Instance {
  const balancer = createBalancer(config, { logger, sockets });
  const admin: Admin = new Admin({
    balancer,
    log: logger,
    reload: () => instance.reloader.reload(),
    upgrade: order => instance.upgrader.upgrade(order),
  });
  const reloader = new Reloader({
    balancer,
    admin,
    logger,
    source,
    during: async work => {
      const done = await (instance.manager?.during(work) ?? work);
      await keepSockets(instance);
      return done;
    },
  });
  const upgrader = new Upgrader({
    balancer,
    admin,
    logger,
    during: upgrade => instance.manager?.handingOver(upgrade) ?? upgrade,
    onSucceeded: pid => {
      source.file?.watch(false);
      instance.manager?.succeeded(pid);
    },
  });
  const instance: Instance = {
    balancer,
    admin,
    reloader,
    upgrader,
    passed: sockets,
    manager: undefined,
    store: undefined,
  };
  return instance;
}

async function tellManager(instance: Instance, logger: Logger): Promise<void> {
  instance.manager = await Notifier.open(process.env, {
    alive: () => instance.balancer.settle(),
    onTrouble: reason => logger.warn({ reason }, 'service manager'),
  });
  instance.store = new DescriptorStore(instance.manager);
}

/** The service manager keeps what this process listens with. */
async function keepSockets({ balancer, store, passed }: Instance): Promise<void> {
  store?.keep(await balancer.sockets(), passed);
}

function ready({ balancer, manager }: Instance, source: ConfigSource, config: Config, logger: Logger): void {
  const { engine, threads } = balancer.snapshot();
  logger.info({ engine, threads }, 'ready');
  source.file?.watch(config.runtime.watch);
  manager?.ready(`serving on ${engine}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`);
}

/** From `start` until a signal, or another process that takes over, ends it. */
async function serve(
  instance: Instance,
  source: ConfigSource,
  logger: Logger,
  start: () => Promise<void>,
): Promise<number> {
  const { balancer, admin, reloader, upgrader } = instance;
  const ended = endBySignal(balancer, logger, {
    isOurs: signal => upgrader.interrupt(signal),
    onEnd: () => {
      instance.store?.clear();
      instance.manager?.stopping(`draining ${balancer.active} connections`);
    },
  });
  const unhook = [
    onSignal('SIGHUP', () =>
      reloader.reload().catch(error => {
        if (!upgrader.forward('SIGHUP')) throw error;
      }),
    ),
    onSignal('SIGUSR2', () => upgrader.upgrade()),
  ];
  try {
    await start();
    await keepSockets(instance);
    return await Promise.race([ended, upgrader.over.then(() => 0)]);
  } finally {
    for (const one of unhook) one();
    source.file?.watch(false);
    await admin.close();
    await balancer.destroy();
    instance.manager?.close();
  }
}

import type { Admin } from '../admin/admin.js';
import type { ReloadReport } from '../admin/app.js';
import type { Balancer } from '../balancer.js';
import { errorLines, Lb4Error } from '../errors.js';
import type { Logger } from '../log.js';
import { Turn } from '../turn.js';
import type { ConfigSource, Read } from './source.js';

/** What a reload works on. */
export interface Running {
  readonly balancer: Balancer;
  readonly admin: Admin;
  readonly logger: Logger;
  readonly source: ConfigSource;
  /** Whoever wants to know that a reload is under way hears of it here. */
  during<T>(work: Promise<T>): Promise<T>;
}

/** Reloads, whoever asks for them: one after the other, all or nothing, and each with one line in the log. */
export class Reloader {
  private readonly running: Running;
  private readonly turn = new Turn();

  constructor(running: Running) {
    this.running = running;
    const { file } = running.source;
    if (file !== undefined) file.onChange = () => void this.reload().catch(() => undefined);
  }

  /**
   * Read the configuration again and take it. Rejects with Lb4Error and has changed nothing when it does not hold
   * (ConfigError with every fault), when what it wants cannot be opened, or when it came from flags (LB4_CONFLICT).
   */
  reload(): Promise<ReloadReport> {
    return this.running.during(this.turn.take(() => this.run()));
  }

  /** Take a configuration that was read already. Rejects as `reload` does. */
  use(read: Read): Promise<ReloadReport> {
    return this.turn.take(() => this.tell(() => this.take(read)));
  }

  private async run(): Promise<ReloadReport> {
    const { logger, source } = this.running;
    if (source.file === undefined) {
      const message = 'nothing to reload: this instance was started from flags';
      logger.warn(message);
      throw new Lb4Error('LB4_CONFLICT', message);
    }
    return await this.tell(() => this.take(source.read()));
  }

  /** A failure is told. */
  private async tell(work: () => Promise<ReloadReport>): Promise<ReloadReport> {
    const { balancer, logger } = this.running;
    try {
      return await work();
    } catch (error) {
      // The balancer is over: whoever serves now has to be asked.
      if (error instanceof Lb4Error && error.code === 'LB4_CLOSED') throw error;
      logger.error({ errors: errorLines(error) }, 'reload refused: nothing was changed');
      balancer.refused(error);
      throw error;
    }
  }

  private async take({ config, warnings }: Read): Promise<ReloadReport> {
    const { balancer, admin, logger, source } = this.running;
    for (const warning of warnings) logger.warn(warning);
    const change = await admin.prepare(config);
    try {
      const { changes, added, removed, changed } = await balancer.apply(config);
      logger.level = config.log.level;
      source.file?.watch(config.runtime.watch);
      const kept = balancer.active;
      logger.info({ kept, changes }, 'reloaded');
      change.commit();
      return { changes, added, removed, changed, kept };
    } catch (error) {
      await change.abandon();
      throw error;
    }
  }
}

import type { Balancer } from '../balancer.js';
import type { Logger } from '../log.js';

export interface EndHooks {
  /** Asked first: false when the signal is another process's business. */
  isOurs(signal: NodeJS.Signals): boolean;
  /** It begins. */
  onEnd(): void;
}

/** SIGTERM and SIGINT drain and end with 0; a second one ends now. Resolves to the exit code. */
export function endBySignal(
  balancer: Balancer,
  logger: Logger,
  { isOurs, onEnd }: EndHooks,
): Promise<number> {
  return new Promise((resolve, reject) => {
    let asked = false;
    const end = (signal: NodeJS.Signals): void => {
      if (asked) {
        logger.warn({ signal, active: balancer.active }, 'ending now');
        process.exit(0);
      }
      if (!isOurs(signal)) return;
      asked = true;
      onEnd();
      logger.info({ signal, active: balancer.active }, 'draining');
      balancer.close().then(() => {
        logger.info('bye');
        resolve(0);
      }, reject);
    };
    process.on('SIGTERM', end);
    process.on('SIGINT', end);
  });
}

/** What `work` does when a signal comes; it tells the log itself how that went. Returns what takes that back. */
export function onSignal(signal: NodeJS.Signals, work: () => Promise<unknown>): () => void {
  const listener = (): void => void work().catch(() => undefined);
  process.on(signal, listener);
  return () => process.off(signal, listener);
}

import type { Balancer } from '../balancer.js';
import type { Logger } from '../log.js';

/**
 * SIGTERM and SIGINT drain and end with 0; a second one ends now. Resolves to the exit code. `onEnd` is told when it begins.
 */
export function endBySignal(balancer: Balancer, logger: Logger, onEnd: () => void): Promise<number> {
  return new Promise((resolve, reject) => {
    let asked = false;
    const end = (signal: NodeJS.Signals): void => {
      if (asked) {
        logger.warn({ signal, active: balancer.active }, 'ending now');
        process.exit(0);
      }
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

/** SIGHUP calls `reload`, which tells the log itself how it went. Returns what takes that back. */
export function reloadBySignal(reload: () => Promise<unknown>): () => void {
  const onSignal = (): void => void reload().catch(() => undefined);
  process.on('SIGHUP', onSignal);
  return () => process.off('SIGHUP', onSignal);
}

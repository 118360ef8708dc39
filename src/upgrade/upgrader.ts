import type { Admin } from '../admin/admin.js';
import type { UpgradeOrder, UpgradeReport } from '../admin/app.js';
import type { Balancer } from '../balancer.js';
import { errorLines, Lb4Error } from '../errors.js';
import type { Logger } from '../log.js';
import { Predecessor } from './predecessor.js';
import { successorProgram } from './program.js';

/** For each step, ms, where nothing else is asked for. */
const PATIENCE_MS = 30_000;

/** Process ids begin with this one in a container. */
const FIRST_PID = 1;

export interface UpgraderDeps {
  readonly balancer: Balancer;
  readonly admin: Admin;
  readonly logger: Logger;
  /** Whoever wants to know that an upgrade is under way hears of it here. */
  during<T>(upgrade: Promise<T>): Promise<T>;
  /** The process that serves is another one now. */
  onSucceeded(pid: number): void;
}

/** Upgrades, whoever asks for them: one at a time, all or nothing. */
export class Upgrader {
  /** Resolves, or rejects, when another process has taken over and nothing is left to be done here. */
  readonly over: Promise<void>;
  private readonly deps: UpgraderDeps;
  private current: Predecessor | undefined;
  private underWay = false;
  private end!: (outcome: Promise<void>) => void;

  constructor(deps: UpgraderDeps) {
    this.deps = deps;
    this.over = new Promise(resolve => {
      this.end = resolve;
    });
  }

  /**
   * Have another process take over. Rejects with Lb4Error and has changed nothing then: LB4_CONFLICT while one is under way,
   * LB4_UPGRADE when the new process cannot be started, does not answer in time or ends, or with what that finds wrong.
   */
  async upgrade({ program: path, timeout = PATIENCE_MS }: UpgradeOrder = {}): Promise<UpgradeReport> {
    if (this.underWay) throw new Lb4Error('LB4_CONFLICT', 'an upgrade is under way');
    if (process.pid === FIRST_PID) {
      throw new Lb4Error(
        'LB4_CONFLICT',
        'this is the first process of its container, which ends with it: start a new container instead',
      );
    }
    this.underWay = true;
    const { logger, balancer, during } = this.deps;
    try {
      return await during(this.run(path, timeout));
    } catch (error) {
      const errors = errorLines(error).flatMap(line => line.split('\n'));
      if (this.current?.committed === true) {
        logger.error({ errors }, 'the new process failed after it had taken over: nobody serves any more');
      } else {
        logger.error({ errors }, 'upgrade refused: nothing was changed');
        balancer.tell({ type: 'upgrade_refused', errors });
      }
      throw error;
    } finally {
      this.underWay = false;
    }
  }

  /** Give an upgrade up that is under way. False when another process serves already: it is told the signal instead. */
  interrupt(signal: NodeJS.Signals): boolean {
    const { current } = this;
    if (current === undefined) return true;
    const reason = new Lb4Error('LB4_UPGRADE', `this process was told to end (${signal})`);
    if (current.cancel(reason)) return true;
    current.successor.signal(signal);
    return false;
  }

  /** Pass a signal on to the process that serves now; false while that is this one. */
  forward(signal: NodeJS.Signals): boolean {
    if (this.current?.committed !== true) return false;
    this.current.successor.signal(signal);
    return true;
  }

  private async run(path: string | undefined, patienceMs: number): Promise<UpgradeReport> {
    const { balancer, admin, logger } = this.deps;
    const program = successorProgram(path);
    const predecessor = await balancer.handOver(async giving => {
      const one = new Predecessor({
        giving,
        admin,
        program,
        patienceMs,
        onStep: (step, detail) => {
          logger.info({ step, ...(detail !== '' && { detail }) }, 'upgrade');
          balancer.tell({ type: 'upgrade_step', step, detail });
        },
      });
      this.current = one;
      try {
        await one.commit();
        return one;
      } catch (error) {
        this.current = undefined;
        await one.abort();
        admin.release();
        throw error;
      }
    });
    return await this.finish(predecessor);
  }

  /** Another process has everything. */
  private async finish(predecessor: Predecessor): Promise<UpgradeReport> {
    const { balancer, logger, onSucceeded } = this.deps;
    const { successor } = predecessor;
    try {
      // Where connections stay here no others must come. Where they went over, ending threads would hold the other process up.
      let rest = predecessor.gaveConnections ? undefined : balancer.leave(false);
      rest?.catch(() => {});
      const freezeMs = await predecessor.running();
      rest ??= balancer.leave(true);
      rest.catch(() => {});
      onSucceeded(successor.pid);
      const report = await predecessor.lead(freezeMs, () => balancer.active);
      logger.info({ ...report }, 'handed over');
      this.end(this.wait(predecessor, rest));
      this.current = undefined;
      return report;
    } catch (error) {
      // Its addresses are free for whoever is started next.
      await successor.kill();
      this.end(Promise.reject(error));
      throw error;
    }
  }

  /** Until whoever asked has the answer, and the connections that stayed here are over. */
  private async wait({ successor }: Predecessor, rest: Promise<void>): Promise<void> {
    await this.deps.admin.leave();
    successor.release();
    await rest;
  }
}

import type { Admin } from '../admin/admin.js';
import type { Balancer } from '../balancer.js';
import { unpackConfig, unpackService } from '../config/carry.js';
import type { Config } from '../config/schema.js';
import type { Estate, Outline } from '../control/estate.js';
import { errorLines, Lb4Error } from '../errors.js';
import type { Logger } from '../log.js';
import type { PassedSocket } from '../pool/plan.js';
import type { Handover, Kept } from '../threads/handover.js';
import { VERSION } from '../version.js';
import { Link } from './link.js';
import { type FromPredecessor, type FromSuccessor, HANDOVER, SUCCEEDS } from './protocol.js';

/** Signals that are for the old process as long as it is the one; a terminal sends them to both. */
const NOT_YET: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2'];

/** How long the old process may take to make this one known. */
const LEAD_PATIENCE_MS = 5_000;

/** How it went, for the log. */
export interface Succession {
  readonly from: string;
  readonly kept: Kept;
  readonly freezeMs: number | null;
}

type Manifest = Extract<FromPredecessor, { type: 'manifest' }>;

/** True for a process that was started to take over from its parent. */
export function isSuccessor(): boolean {
  return process.env[SUCCEEDS] !== undefined && process.send !== undefined;
}

/** Tell the old process why this one cannot take over: what has happened before there was a Successor. */
export function refuse(error: unknown): void {
  const code = error instanceof Lb4Error ? error.code : 'LB4_UPGRADE';
  const message: FromSuccessor = { type: 'refused', code, reasons: errorLines(error) };
  process.send?.(message);
}

/**
 * The new process's side of an upgrade. Until `takeOver` has resolved this process does nothing that anybody could notice; when
 * the old one ends, or gives up, before that, it exits.
 */
export class Successor {
  private readonly link: Link<FromPredecessor, FromSuccessor>;
  private readonly ignore = (): void => {};
  private manifest: Manifest | undefined;
  private outline: Outline | undefined;
  private handover: Handover | undefined;
  private readonly orphaned = (): void => process.exit(1);

  constructor() {
    // Not for those that this process starts.
    delete process.env[SUCCEEDS];
    for (const signal of NOT_YET) process.on(signal, this.ignore);
    process.on('disconnect', this.orphaned);
    if (process.connected === false) this.orphaned();
    this.link = new Link(process);
  }

  /** Meet the old process; resolves to the configuration that it runs. */
  async meet(): Promise<Config> {
    this.link.send({ type: 'hello', handover: HANDOVER, version: VERSION });
    this.manifest = await this.link.next('manifest', Number.POSITIVE_INFINITY, 'nothing was handed over');
    this.outline = unpackOutline(this.manifest.outline);
    return this.outline.config;
  }

  /** Sockets that were open before any of these processes was started. */
  get sockets(): readonly PassedSocket[] {
    return this.manifest!.sockets;
  }

  /**
   * Get ready to go on where the old process will stop, and to run `configured` after that. Rejects with Lb4Error, which the
   * old process has to be told with `refuse`.
   */
  async prepare(balancer: Balancer, admin: Admin, configured: Config): Promise<void> {
    const { listeners, channel, admin: own } = this.manifest!;
    const inherited = own === undefined ? undefined : admin.inherit(own, configured);
    const [plane] = await Promise.all([balancer.standBy(this.outline!, listeners), inherited]);
    await balancer.rehearse(configured);
    await (await admin.prepare(configured)).abandon();
    this.handover = channel === -1 ? undefined : plane.handover;
    const connections = this.handover !== undefined;
    this.link.send({ type: 'prepared', connections, engine: plane.engine });
  }

  /** Take over; resolves when this process serves. Rejects, and then has to exit, where that came to nothing. */
  async takeOver(balancer: Balancer, admin: Admin): Promise<Succession> {
    const { version, channel } = this.manifest!;
    const receive = this.handover === undefined ? undefined : await receiver(channel);
    const { estate, kept } = await this.receiveAll(balancer, receive);
    this.link.send({ type: 'ack', kept });
    await this.link.next('go', Number.POSITIVE_INFINITY, 'it was called off');
    // From here on this process is the one: whatever happens to the other.
    process.off('disconnect', this.orphaned);
    const alone = (): void => this.link.fail(new Lb4Error('LB4_UPGRADE', 'the old process is gone'));
    process.on('disconnect', alone);
    if (process.connected === false) alone();
    const at = await balancer.goOn(estate);
    this.link.send({ type: 'running', at });
    await admin.go();
    const lead = this.link.next('lead', LEAD_PATIENCE_MS, '');
    const { freezeMs } = await lead.catch(() => ({ freezeMs: null }));
    for (const signal of NOT_YET) process.off(signal, this.ignore);
    return { from: version, kept, freezeMs };
  }

  /** Tell the log and subscribers how it went. */
  announce(balancer: Balancer, logger: Logger, { from, kept, freezeMs }: Succession): void {
    const { connections, flows, lost } = kept;
    const fields = {
      from,
      version: VERSION,
      pid: process.pid,
      connections,
      flows,
      freeze_ms: freezeMs,
      lost,
    };
    logger.info(fields, 'upgraded');
    balancer.tell({ type: 'upgraded', ...fields });
  }

  /** Tell the old process that it may end. */
  done(changes: readonly string[]): void {
    this.link.send({ type: 'done', changes });
    // The old one closes the channel; it must not keep this one from ending.
    process.channel?.unref();
  }

  private async receiveAll(
    balancer: Balancer,
    receive: ((count: number) => Promise<number[]>) | undefined,
  ): Promise<{ estate: Estate; kept: Kept }> {
    for (;;) {
      const message = await this.link.any();
      if (message.type === 'copy') {
        const fds = await receive!(message.count);
        await this.handover!.adopt({ fds, data: message.data });
        balancer.inherit(message.estate);
        this.link.send({ type: 'copied' });
        continue;
      }
      if (message.type !== 'final') throw new Lb4Error('LB4_UPGRADE', `unexpected ${message.type}`);
      const { estate, bundle } = message;
      const kept =
        bundle === undefined
          ? { connections: 0, flows: 0, lost: [] }
          : await this.handover!.complete({ fds: await receive!(bundle.count), data: bundle.data });
      balancer.inherit(estate);
      return { estate, kept };
    }
  }
}

function unpackOutline({ config, services }: Outline): Outline {
  const unpacked = unpackConfig(config);
  return {
    config: unpacked,
    services: {
      ...services,
      services: services.services.map(one => ({ ...one, config: unpacked.services[one.config.name]! })),
      retired: services.retired.map(one => ({ ...one, config: unpackService(one.config) })),
    },
  };
}

async function receiver(channel: number): Promise<(count: number) => Promise<number[]>> {
  const { DescriptorReceiver } = await import('../engines/epoll/descriptor-channel.js');
  const source = new DescriptorReceiver(channel);
  return count => source.receive(count);
}

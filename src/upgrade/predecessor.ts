import { closeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Admin } from '../admin/admin.js';
import type { UpgradeReport } from '../admin/app.js';
import type { Giving } from '../balancer.js';
import { packConfig } from '../config/carry.js';
import type { Outline } from '../control/estate.js';
import type { ServiceOutline } from '../control/service.js';
import { formatDuration } from '../duration.js';
import { Lb4Error } from '../errors.js';
import { monotonic } from '../monotonic.js';
import type { Bundle, Handover, Kept } from '../threads/handover.js';
import { VERSION } from '../version.js';
import { Child } from './child.js';
import { Inheritance } from './inheritance.js';
import type { Program } from './program.js';
import { HANDOVER } from './protocol.js';

/** While connections stand still nobody is waited for any longer, ms. */
const FREEZE_PATIENCE_MS = 2_000;
/** For what can only be told: it has happened already. */
const DONE_PATIENCE_MS = 10_000;
/** Copies before the freeze: all there is, then those who came during that. */
const COPIES = 2;
/** After the first copy: what was rehearsed is being compiled in the background, and would compete with the hand-over, ms. */
const COMPILING_MS = 300;

/** What an upgrade is at; told before each step begins. */
export type Step = 'starting' | 'checking' | 'copying' | 'handing over';

export interface PredecessorDeps {
  readonly giving: Giving;
  readonly admin: Admin;
  readonly program: Program;
  /** For each step, ms. */
  readonly patienceMs: number;
  onStep(step: Step, detail: string): void;
}

/** Sends descriptors; there is one where connections can be handed over. */
interface Carrier {
  readonly handover: Handover;
  send(fds: readonly number[]): Promise<void>;
}

/**
 * The old process's side of an upgrade. Until `commit` resolves everything is this process's, and `abort` undoes what was done.
 * Then everything is the new one's, for good: this process must touch none of it again.
 */
export class Predecessor {
  private readonly deps: PredecessorDeps;
  private child: Child | undefined;
  private handover: Handover | undefined;
  private closeChannel: () => void = () => {};
  private sending: Promise<void> = Promise.resolve();
  private cancelled: Error | undefined;
  private version = '';
  private kept: Kept = { connections: 0, flows: 0, lost: [] };
  private frozenAt: number | undefined;
  /** `go` was sent. */
  committed = false;

  constructor(deps: PredecessorDeps) {
    this.deps = deps;
  }

  /** Whether open connections went over, or listeners only. */
  get gaveConnections(): boolean {
    return this.frozenAt !== undefined;
  }

  /** The new process; valid once `commit` has begun. */
  get successor(): Child {
    return this.child!;
  }

  /** Give up, unless it is too late for that: false then. */
  cancel(reason: Lb4Error): boolean {
    if (this.committed) return false;
    this.cancelled ??= reason;
    this.child?.link.fail(reason);
    return true;
  }

  /** Start the new process and give it everything. Rejects with Lb4Error; then `abort` must follow. */
  async commit(): Promise<void> {
    const { onStep, patienceMs, program } = this.deps;
    onStep('starting', [program.file, ...program.args].join(' '));
    const carrier = await this.start();
    const { link } = this.successor;
    onStep('checking', `version ${this.version}`);
    const ready = 'the new process was not ready';
    const { connections } = await link.next('prepared', patienceMs, ready);
    if (carrier === undefined || !connections) await this.giveListeners();
    else await this.giveConnections(carrier);
  }

  /** Have everything as it was. The new process is gone when it resolves. */
  async abort(): Promise<void> {
    await this.child?.kill();
    await this.sending.catch(() => {});
    this.closeChannel();
    // What was copied is this process's alone again only when the other one is gone.
    await this.handover?.thaw();
  }

  /** After `commit`: wait for the new process to serve. Rejects with Lb4Error LB4_UPGRADE when it does not. */
  async running(): Promise<number | null> {
    this.closeChannel();
    const { at } = await this.successor.link.next(
      'running',
      DONE_PATIENCE_MS,
      'the new process has taken over and did not serve',
    );
    return this.frozenAt === undefined ? null : Math.round((at - this.frozenAt) * 1000) / 1000;
  }

  /** Let the new process know that it is the one now; what there is to tell of the upgrade. */
  async lead(freezeMs: number | null, active: () => number): Promise<UpgradeReport> {
    const { link, pid } = this.successor;
    const { connections, flows, lost } = this.kept;
    link.send({ type: 'lead', freezeMs });
    const done = await link
      .next('done', DONE_PATIENCE_MS, 'the new process serves, but has not told that it is done')
      .catch((error: Error) => ({ changes: [error.message] }));
    return {
      from: VERSION,
      version: this.version,
      pid,
      connections,
      flows,
      draining: this.frozenAt === undefined ? active() : 0,
      freeze_ms: freezeMs,
      lost,
      changes: done.changes,
    };
  }

  private async start(): Promise<Carrier | undefined> {
    const { giving, admin, program, patienceMs } = this.deps;
    const { plane, outline, sockets } = giving;
    const inheritance = new Inheritance();
    const listeners = (await plane.heirlooms()).map(heirloom => ({
      ...heirloom,
      fds: heirloom.fds.map(fd => inheritance.add(fd)),
    }));
    const passed = sockets.map(socket => ({ ...socket, fd: inheritance.add(socket.fd) }));
    const own = admin.heirloom;
    const passedAdmin = own === undefined ? undefined : { ...own, fd: inheritance.add(own.fd) };
    const opened = plane.handover === undefined ? undefined : await openCarrier(plane.handover);
    const channel = opened === undefined ? -1 : inheritance.add(opened.theirs);
    this.checkCancelled();
    try {
      this.child = new Child(program, inheritance);
    } finally {
      opened?.closeTheirs();
    }
    if (opened !== undefined) this.closeChannel = opened.closeMine;
    const { link } = this.child;
    const { handover, version } = await link.next('hello', patienceMs, 'the new process did not say hello');
    this.version = version;
    if (handover !== HANDOVER) {
      throw new Lb4Error(
        'LB4_UPGRADE',
        `version ${String(version).slice(0, 40)} hands over in another way (${Number(handover)}) than this one (${HANDOVER}): restart instead`,
      );
    }
    link.send({
      type: 'manifest',
      version: VERSION,
      outline: packOutline(outline),
      listeners,
      sockets: passed,
      admin: passedAdmin,
      channel,
    });
    return opened?.carrier;
  }

  private async giveListeners(): Promise<void> {
    this.deps.onStep('handing over', 'listeners only');
    this.deps.admin.hold();
    const { giving } = this.deps;
    giving.hush();
    this.successor.link.send({ type: 'final', estate: giving.estate(), bundle: undefined });
    await this.acknowledged();
  }

  private async giveConnections({ handover, send }: Carrier): Promise<void> {
    const { giving, admin, patienceMs, onStep } = this.deps;
    const { link } = this.successor;
    this.handover = handover;
    let total = 0;
    for (let round = 0; round < COPIES; round++) {
      const { data, fds } = await handover.copy();
      total += fds.length;
      onStep('copying', `${total} descriptors`);
      link.send({ type: 'copy', data, count: fds.length, estate: giving.estate() });
      const late = 'the new process did not take what was copied';
      this.sending = send(fds);
      await Promise.all([this.sending, link.next('copied', patienceMs, late)]);
      if (round === 0) await sleep(COMPILING_MS);
      this.checkCancelled();
    }
    onStep('handing over', '');
    admin.hold();
    this.frozenAt = monotonic();
    giving.hush();
    const { data, fds } = await within(
      handover.freeze(),
      FREEZE_PATIENCE_MS,
      'the data plane did not come to a stand',
    );
    link.send({ type: 'final', estate: giving.estate(), bundle: { data, count: fds.length } });
    this.sending = send(fds);
    await Promise.all([this.sending, this.acknowledged()]);
  }

  /** The last step: what comes in time commits, nothing else does. */
  private async acknowledged(): Promise<void> {
    const { link } = this.successor;
    const patience = Math.min(FREEZE_PATIENCE_MS, this.deps.patienceMs);
    const { kept } = await link.next('ack', patience, 'the new process has not taken over');
    this.checkCancelled();
    this.kept = kept;
    this.committed = true;
    link.send({ type: 'go' });
  }

  private checkCancelled(): void {
    if (this.cancelled !== undefined) throw this.cancelled;
  }
}

/** Rejects with Lb4Error LB4_UPGRADE when it takes longer. */
async function within<T>(work: Promise<T>, ms: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Lb4Error('LB4_UPGRADE', `${what} within ${formatDuration(ms)}`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function packOutline({ config, services }: Outline): Outline {
  const pack = (one: ServiceOutline): ServiceOutline => ({ ...one, config: packConfig(one.config) });
  return {
    config: packConfig(config),
    services: {
      ...services,
      services: services.services.map(pack),
      retired: services.retired.map(pack),
    },
  };
}

/** The way for descriptors. Loaded only where there is an engine that needs it. */
async function openCarrier(handover: Handover): Promise<{
  readonly carrier: Carrier;
  readonly theirs: number;
  closeMine(): void;
  closeTheirs(): void;
}> {
  const { openChannel, DescriptorSender } = await import('../engines/epoll/descriptor-channel.js');
  const { mine, theirs } = openChannel();
  const sender = new DescriptorSender(mine);
  let open = true;
  return {
    theirs,
    carrier: { handover, send: (fds: Bundle['fds']) => sender.send(fds) },
    closeTheirs: () => closeSync(theirs),
    closeMine: () => {
      if (open) closeSync(mine);
      open = false;
    },
  };
}

import type { AdminListen, Config } from '../config/schema.js';
import { descriptorOf } from '../engines/net/descriptor.js';
import { type AdminAddress, formatAdmin } from './address.js';
import type { AdminContext, App } from './app.js';
import { type Bound, bind, bindInherited } from './bind.js';
import { Gate } from './gate.js';
import { Guard } from './guard.js';
import { readToken } from './token.js';

/** Requests under way may finish for so long when the interface moves or ends. */
const CLOSE_GRACE_MS = 1_000;

/** An interface that listens. */
interface Open {
  /** What was asked for: the same again needs no other. */
  readonly wanted: string;
  readonly guard: Guard;
  readonly app: App;
  /** Where it is; absent while another process has it. */
  bound?: Bound;
}

/** The listening socket of an interface, for another process. */
export interface AdminHeirloom {
  readonly fd: number;
  readonly at: AdminAddress;
  readonly wanted: string;
}

/** What a configuration wants, opened and not in use yet. */
export interface AdminChange {
  /** Take it, and close what was there before. */
  commit(): void;
  /** Close what was opened for it. */
  abandon(): Promise<void>;
}

/** The admin interface of an instance: where the configuration says, and elsewhere when that changes. */
export class Admin {
  private readonly context: AdminContext;
  private open: Open | undefined;
  private readonly gate = new Gate();
  private inherited: AdminHeirloom | undefined;

  constructor(context: AdminContext) {
    this.context = context;
  }

  /** Load what listening takes, which is long, while something else is waited for. */
  async load({ admin }: Config): Promise<void> {
    if (admin.listen.kind !== 'off') await import('./server.js');
  }

  /** Where it listens, as a configuration would say it; undefined when it is off. */
  get address(): string | undefined {
    return this.open?.bound?.address;
  }

  /** What another process needs to listen in this one's place; undefined when there is nothing. */
  get heirloom(): AdminHeirloom | undefined {
    const { open } = this;
    if (open?.bound === undefined) return undefined;
    return { fd: descriptorOf(open.app.server), at: open.bound.at, wanted: open.wanted };
  }

  /** Let requests wait, until `release` or `leave`. */
  hold(): void {
    this.gate.close();
  }

  release(): void {
    this.gate.release();
  }

  /** Another process listens in this one's place: those who wait are sent there. Resolves when the last one has its answer. */
  async leave(): Promise<void> {
    const { open } = this;
    this.open = undefined;
    const at = open?.bound?.at;
    open?.bound?.leave();
    // What this process still listened to would take connections away from the other one.
    open?.app.server.close();
    this.gate.release(at);
    if (open !== undefined) await end(open.app);
  }

  /**
   * Be ready to listen where another process does, with the token that a configuration wants; `go` begins. Rejects with Lb4Error.
   */
  async inherit(heirloom: AdminHeirloom, { admin }: Config): Promise<void> {
    const token = admin.token_file === undefined ? undefined : readToken(admin.token_file).token;
    const guard = new Guard(heirloom.at.kind === 'ip', token);
    this.inherited = heirloom;
    this.open = { wanted: heirloom.wanted, guard, app: await this.server(guard) };
  }

  /** Listen with what was inherited, if anything was. Never rejects: traffic is more important. */
  async go(): Promise<void> {
    const { inherited, open } = this;
    if (inherited === undefined || open === undefined) return;
    try {
      open.bound = await bindInherited(open.app.server, inherited.at, inherited.fd);
    } catch (error) {
      this.context.log.error({ reason: (error as Error).message }, 'there is no admin interface');
    }
  }

  /** Open what a configuration wants and is not there yet. Rejects with Lb4Error and has changed nothing then. */
  async prepare({ name, admin }: Config): Promise<AdminChange> {
    const file = admin.token_file === undefined ? undefined : readToken(admin.token_file);
    const warn = (): void => {
      if (file?.isOpenToAll !== true) return;
      const said = 'every user of this machine can read the admin token: chmod o-r';
      this.context.log.warn({ file: admin.token_file }, said);
    };
    const wanted = `${formatAdmin(admin.listen)} ${name}`;
    const before = this.open;
    if (before?.wanted === wanted) {
      const commit = (): void => {
        warn();
        before.guard.setToken(file?.token);
      };
      return { commit, abandon: async () => {} };
    }
    const next = await this.listen(name, admin.listen, file?.token, wanted);
    return {
      commit: () => {
        warn();
        this.open = next;
        if (next !== undefined) this.context.log.info({ listen: next.bound?.address }, 'admin interface');
        if (before !== undefined) void close(before);
      },
      abandon: async () => {
        if (next !== undefined) await close(next);
      },
    };
  }

  async close(): Promise<void> {
    const { open } = this;
    this.open = undefined;
    if (open !== undefined) await close(open);
  }

  private async listen(
    name: string,
    at: AdminListen,
    token: string | undefined,
    wanted: string,
  ): Promise<Open | undefined> {
    if (at.kind === 'off') return undefined;
    const guard = new Guard(at.kind === 'ip', token);
    const app = await this.server(guard);
    try {
      return { wanted, guard, app, bound: await bind(app.server, name, at, this.context.log) };
    } catch (error) {
      await end(app);
      // Nobody asked for the default socket: traffic is more important than it.
      if (at.kind !== 'unix' || at.path !== undefined) throw error;
      this.context.log.warn({ reason: (error as Error).message }, 'there is no admin interface');
      return undefined;
    }
  }
  private async server(guard: Guard): Promise<App> {
    // Loaded where it is needed: it takes longer to load than all the rest.
    const { buildServer } = await import('./server.js');
    return await buildServer(this.context, guard, this.gate);
  }
}

async function close({ app, bound }: Open): Promise<void> {
  bound?.remove();
  await end(app);
}

async function end(app: App): Promise<void> {
  const done = app.close();
  const late = setTimeout(() => app.server.closeAllConnections(), CLOSE_GRACE_MS);
  await done;
  clearTimeout(late);
}

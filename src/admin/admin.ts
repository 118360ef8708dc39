import type { AdminListen, Config } from '../config/schema.js';
import { formatAdmin } from './address.js';
import type { AdminContext } from './app.js';
import { bind } from './bind.js';
import { Guard } from './guard.js';
import { readToken } from './token.js';

/** Requests under way may finish for so long when the interface moves or ends. */
const CLOSE_GRACE_MS = 1_000;

/** An interface that listens. */
interface Open {
  /** What was asked for: the same again needs no other. */
  readonly wanted: string;
  /** Where it is. */
  readonly address: string;
  readonly guard: Guard;
  close(): Promise<void>;
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

  constructor(context: AdminContext) {
    this.context = context;
  }

  /** Where it listens, as a configuration would say it; undefined when it is off. */
  get address(): string | undefined {
    return this.open?.address;
  }

  /** Open what a configuration wants and is not there yet. Rejects with Lb4Error and has changed nothing then. */
  async prepare({ name, admin }: Config): Promise<AdminChange> {
    const token = admin.token_file === undefined ? undefined : readToken(admin.token_file);
    const wanted = `${formatAdmin(admin.listen)} ${name}`;
    const before = this.open;
    if (before?.wanted === wanted) {
      return { commit: () => before.guard.setToken(token), abandon: async () => {} };
    }
    const next = await this.listen(name, admin.listen, token, wanted);
    return {
      commit: () => {
        this.open = next;
        if (next !== undefined) this.context.log.info({ listen: next.address }, 'admin interface');
        void before?.close();
      },
      abandon: async () => next?.close(),
    };
  }

  async close(): Promise<void> {
    const { open } = this;
    this.open = undefined;
    await open?.close();
  }

  private async listen(
    name: string,
    at: AdminListen,
    token: string | undefined,
    wanted: string,
  ): Promise<Open | undefined> {
    if (at.kind === 'off') return undefined;
    const guard = new Guard(at.kind === 'ip', token);
    // Loaded where it is needed: it takes longer to load than all the rest.
    const { buildServer } = await import('./server.js');
    const app = await buildServer(this.context, guard);
    const end = async (): Promise<void> => {
      const done = app.close();
      const late = setTimeout(() => app.server.closeAllConnections(), CLOSE_GRACE_MS);
      await done;
      clearTimeout(late);
    };
    try {
      const bound = await bind(app.server, name, at, this.context.log);
      const close = async (): Promise<void> => {
        bound.remove();
        await end();
      };
      return { wanted, address: bound.address, guard, close };
    } catch (error) {
      await end();
      // Nobody asked for the default socket: traffic is more important than it.
      if (at.kind !== 'unix' || at.path !== undefined) throw error;
      this.context.log.warn({ reason: (error as Error).message }, 'there is no admin interface');
      return undefined;
    }
  }
}

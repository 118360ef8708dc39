import { setTimeout as sleep } from 'node:timers/promises';

/** One login of a client. */
export interface Session {
  /** Write something; resolves to who took it. Rejects when it was refused, or when the session broke. */
  write(): Promise<string>;
  /** False from the moment on in which the connection is over. */
  readonly open: boolean;
  close(): void;
}

/** A write that was acknowledged, or refused by the server with the session going on. */
export interface Reply {
  readonly at: number;
  readonly server: string;
  readonly ok: boolean;
}

/** Says who refused a write. */
export class Refused extends Error {
  readonly server: string;

  constructor(server: string) {
    super(`refused by ${server}`);
    this.server = server;
  }
}

const PAUSE_MS = 5;
const RECONNECT_MS = 10;

/** A client that writes every few milliseconds, and connects again whenever its connection is over. */
export class Writer {
  readonly replies: Reply[] = [];
  /** Attempts to connect that failed. */
  failedConnects = 0;
  /** Sessions that broke. */
  broken = 0;
  private stopped = false;
  private readonly running: Promise<void>;

  constructor(open: () => Promise<Session>) {
    this.running = this.run(open);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.running;
  }

  private async run(open: () => Promise<Session>): Promise<void> {
    while (!this.stopped) {
      const session = await open().catch(() => undefined);
      if (session === undefined) {
        this.failedConnects++;
        await sleep(RECONNECT_MS);
        continue;
      }
      while (!this.stopped && session.open) {
        await session.write().then(
          server => this.note(server, true),
          error => {
            if (error instanceof Refused) this.note(error.server, false);
          },
        );
        await sleep(PAUSE_MS);
      }
      if (!session.open) this.broken++;
      session.close();
    }
  }

  private note(server: string, ok: boolean): void {
    this.replies.push({ at: performance.now(), server, ok });
  }
}

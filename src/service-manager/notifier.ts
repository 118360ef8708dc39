import { openSender, type Sender } from './sender.js';

/** Watchdog messages go out this often within the time that the service manager waits for one. */
const PINGS_PER_PERIOD = 3;
const NEWLINES = /[\r\n]+/g;

export interface NotifierHooks {
  /** Resolves when the program works: asked before each sign of life. */
  alive(): Promise<unknown>;
  /** A message could not be sent, or the program is stuck. */
  onTrouble(reason: string): void;
}

/**
 * What systemd wants to know of a `Type=notify` (or `notify-reload`) service: sd_notify(3). Without NOTIFY_SOCKET in the
 * environment there is nobody to tell, and everything here does nothing.
 */
export class Notifier {
  private readonly sender: Sender | undefined;
  private watchdog: NodeJS.Timeout | undefined;
  private status = '';

  private constructor(sender: Sender | undefined) {
    this.sender = sender;
  }

  /** Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. */
  static async open(env: NodeJS.ProcessEnv, hooks: NotifierHooks): Promise<Notifier> {
    const path = env.NOTIFY_SOCKET;
    if (path === undefined || path === '') return new Notifier(undefined);
    const notifier = new Notifier(await openSender(path, hooks.onTrouble));
    const period = watchdogPeriod(env);
    if (period > 0) notifier.startWatchdog(period, hooks);
    return notifier;
  }

  ready(status: string): void {
    this.status = status;
    this.send('READY=1', `MAINPID=${process.pid}`, statusLine(status));
  }

  /** Tell that the configuration is being reloaded, until `reload` has settled; resolves or rejects as that does. */
  async during<T>(reload: Promise<T>): Promise<T> {
    this.sendReloading();
    try {
      return await reload;
    } finally {
      this.ready(this.status);
    }
  }

  /** Tell that another process is about to take over; ready again when that does not come about. Settles as `upgrade` does. */
  async handingOver<T>(upgrade: Promise<T>): Promise<T> {
    this.sendReloading();
    try {
      return await upgrade;
    } catch (error) {
      this.ready(this.status);
      throw error;
    }
  }

  /** Another process is the main one from here on: it says itself that it is ready, and gives signs of life. */
  succeeded(pid: number): void {
    clearInterval(this.watchdog);
    this.send(`MAINPID=${pid}`);
  }

  /** Have the service manager keep descriptors under a name: whoever is started after a crash gets them. */
  store(name: string, fds: readonly number[]): void {
    this.sender?.send(`FDSTORE=1\nFDNAME=${name}\n`, fds);
  }

  /** It is to keep none under that name any more. */
  unstore(name: string): void {
    this.send('FDSTOREREMOVE=1', `FDNAME=${name}`);
  }

  stopping(status: string): void {
    this.send('STOPPING=1', statusLine(status));
  }

  close(): void {
    clearInterval(this.watchdog);
    this.sender?.close();
  }

  private sendReloading(): void {
    // The time tells the service manager which READY=1 belongs to this.
    this.send('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
  }

  private send(...lines: string[]): void {
    this.sender?.send(`${lines.join('\n')}\n`);
  }

  /** A sign of life only when the program answered since the last one: a thread that hangs gets the service restarted. */
  private startWatchdog(periodMs: number, hooks: NotifierHooks): void {
    let asking = false;
    this.watchdog = setInterval(() => {
      if (asking) {
        hooks.onTrouble('the data plane has not answered; no sign of life goes to the service manager');
        return;
      }
      asking = true;
      hooks.alive().then(
        () => {
          asking = false;
          this.send('WATCHDOG=1');
        },
        () => {
          asking = false;
        },
      );
    }, periodMs / PINGS_PER_PERIOD);
    this.watchdog.unref();
  }
}

/** Milliseconds within which a sign of life is expected; 0 when none is, or not from this process. */
function watchdogPeriod(env: NodeJS.ProcessEnv): number {
  const { WATCHDOG_USEC, WATCHDOG_PID } = env;
  if (WATCHDOG_PID !== undefined && Number(WATCHDOG_PID) !== process.pid) return 0;
  const microseconds = Number(WATCHDOG_USEC);
  return Number.isFinite(microseconds) && microseconds > 0 ? microseconds / 1000 : 0;
}

function statusLine(status: string): string {
  return `STATUS=${status.replace(NEWLINES, ' ')}`;
}

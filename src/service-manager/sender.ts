import { execFile } from 'node:child_process';

/** The way to the service manager. Best effort: nothing here throws. */
export interface Sender {
  /** With descriptors only where system calls can be made directly. */
  send(text: string, fds?: readonly number[]): void;
  close(): void;
}

/**
 * A way to the unix datagram socket of NOTIFY_SOCKET. Node has no such sockets: the system calls are made directly where
 * the FFI package loads, and by the program systemd-notify elsewhere (that needs NotifyAccess=all in the unit).
 */
export async function openSender(path: string, onFailure: (reason: string) => void): Promise<Sender> {
  try {
    const { openDatagramSender } = await import('../engines/epoll/unix-datagram.js');
    return openDatagramSender(path);
  } catch {
    return programSender(onFailure);
  }
}

/** systemd-notify reads NOTIFY_SOCKET itself; messages leave in the order in which they were sent. */
function programSender(onFailure: (reason: string) => void): Sender {
  let turn = Promise.resolve();
  const notify = (text: string): Promise<void> =>
    new Promise(resolve => {
      const lines = text.split('\n').filter(line => line !== '');
      execFile('systemd-notify', [`--pid=${process.pid}`, ...lines], { timeout: 5_000 }, error => {
        if (error !== null) onFailure(`systemd-notify: ${error.message.split('\n')[0]}`);
        resolve();
      });
    });
  return {
    send(text, fds = []) {
      if (fds.length > 0) return;
      turn = turn.then(() => notify(text));
    },
    close() {},
  };
}

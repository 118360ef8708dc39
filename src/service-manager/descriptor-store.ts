import type { Endpoint } from '../address.js';
import type { PassedSocket } from '../pool/plan.js';

/** Names of listening sockets that are this program's own, not those of a socket unit. */
const PREFIX = 'lb4.';
/** Longest name that systemd takes: sd_pid_notify_with_fds(3). */
const MAX_NAME = 255;
/** systemd takes no more in one message. */
const MOST_AT_ONCE = 253;

/** The sockets of one listen address, under the key of the listener. */
export interface StoredListener {
  readonly key: string;
  readonly protocol: 'tcp' | 'udp';
  readonly address: Endpoint;
  readonly fds: readonly number[];
  /** The path of a unix socket goes when these close. */
  readonly owned: boolean;
}

interface Store {
  store(name: string, fds: readonly number[]): void;
  unstore(name: string): void;
}

/**
 * Keeps listening sockets in the service manager's descriptor store, so that they stay open when this process crashes: clients
 * wait until it is started again. What is kept there and served by nobody would let them wait for ever, so each goes when its
 * listener does.
 */
export class DescriptorStore {
  private readonly manager: Store;
  private kept = new Map<string, readonly number[]>();

  constructor(manager: Store) {
    this.manager = manager;
  }

  /** These are there now; `passed` are those that a socket unit has anyway. */
  keep(listeners: readonly StoredListener[], passed: readonly PassedSocket[]): void {
    const next = new Map<string, readonly number[]>();
    for (const { key, fds } of listeners) {
      const name = nameOf(key);
      if (name.length > MAX_NAME || passed.some(({ fd }) => fds.includes(fd))) continue;
      next.set(name, fds);
      if (this.kept.has(name)) continue;
      for (let at = 0; at < fds.length; at += MOST_AT_ONCE) {
        this.manager.store(name, fds.slice(at, at + MOST_AT_ONCE));
      }
    }
    for (const name of this.kept.keys()) if (!next.has(name)) this.manager.unstore(name);
    this.kept = next;
  }

  /** Those that are in the store, and are no listeners of this process any more: the data plane has closed its own. */
  drop(stored: readonly StoredListener[]): void {
    for (const { key } of stored) this.manager.unstore(nameOf(key));
  }

  /** This process ends, and nobody comes after it. */
  clear(): void {
    this.keep([], []);
  }
}

/** What the service manager has passed, divided into what it kept for us and what it opened itself. */
export function divideSockets(passed: readonly PassedSocket[]): {
  readonly stored: readonly StoredListener[];
  readonly opened: readonly PassedSocket[];
} {
  const stored = new Map<string, StoredListener>();
  for (const { fd, name, protocol, address } of passed) {
    const key = keyOf(name);
    if (key === undefined) continue;
    // One a thread: each of them has clients waiting.
    const fds = [...(stored.get(key)?.fds ?? []), fd];
    stored.set(key, { key, protocol, address, fds, owned: true });
  }
  return {
    stored: [...stored.values()],
    opened: passed.filter(({ name }) => keyOf(name) === undefined),
  };
}

/** Names have no colon and no blanks. */
function nameOf(key: string): string {
  return PREFIX + encodeURIComponent(key);
}

function keyOf(name: string): string | undefined {
  if (!name.startsWith(PREFIX)) return undefined;
  try {
    return decodeURIComponent(name.slice(PREFIX.length));
  } catch {
    return undefined;
  }
}

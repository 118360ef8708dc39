import { execFileSync } from 'node:child_process';
import { Lb4Error } from '../errors.js';

/** Names or numbers. */
export interface Identity {
  readonly user: string | number;
  /** Default: the user's own group. */
  readonly group: string | number | undefined;
}

/** `USER` or `USER:GROUP`, as the configuration's schema has checked it. */
export function parseIdentity(text: string): Identity {
  const [user = '', group] = text.split(':');
  return { user: nameOrNumber(user), group: group === undefined ? undefined : nameOrNumber(group) };
}

/**
 * Become another user for good, in all threads, with that user's groups and no others. For a program that was started as
 * root to bind low ports. Throws Lb4Error LB4_PERMISSION when the user is not known or this process may not.
 */
export function becomeUser({ user, group }: Identity): void {
  const posix = process as Partial<Posix>;
  if (posix.initgroups === undefined) {
    throw new Lb4Error('LB4_PERMISSION', `user: there are no users on ${process.platform}`);
  }
  try {
    const own = group ?? primaryGroup(user);
    posix.initgroups(user, own);
    posix.setgid!(own);
    posix.setuid!(user);
  } catch (error) {
    const reason = (error as Error).message.trim().split('\n').at(-1);
    throw new Lb4Error('LB4_PERMISSION', `user ${user}: ${reason}`, { cause: error });
  }
  if (posix.getuid!() === 0) {
    throw new Lb4Error('LB4_PERMISSION', `user ${user}: expected a user other than root`);
  }
}

/** What `process` has where there are users. */
interface Posix {
  initgroups(user: string | number, extraGroup: string | number): void;
  setgid(group: string | number): void;
  setuid(user: string | number): void;
  getuid(): number;
}

/** Whatever knows users here (files, a directory service) is asked, not /etc/passwd alone. */
function primaryGroup(user: string | number): number {
  const answer = execFileSync('id', ['-g', '--', String(user)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return Number(answer.trim());
}

function nameOrNumber(text: string): string | number {
  return /^\d+$/.test(text) ? Number(text) : text;
}

import { formatDuration } from '../duration.js';
import type { Finding, Role } from './finding.js';
import type { HealthSettings } from './settings.js';

/** What a service makes of a finding about a server. */
export interface Verdict {
  /** Why the server is of no use to this service; empty when it is. */
  readonly reason: string;
  /**
   * True when the server itself said so (it has the wrong role): there is nothing to wait for, and nobody needs to be
   * alarmed. Otherwise consecutive failures decide.
   */
  readonly certain: boolean;
  /** True when it is for times in which no other is left: a primary where replicas are preferred. */
  readonly standIn: boolean;
}

const GOOD: Verdict = { reason: '', certain: false, standIn: false };
const STAND_IN: Verdict = { ...GOOD, standIn: true };

/** The roles that each value of `role` takes, the preferred one first. */
const WANTED: Readonly<Record<Exclude<HealthSettings['role'], 'any'>, readonly Role[]>> = {
  primary: ['primary'],
  replica: ['replica'],
  'prefer-replica': ['replica', 'primary'],
};

/** Whether a server that is well is also what a service wants: its role and its lag. Pure. */
export function judge(finding: Finding, { role, max_lag }: HealthSettings): Verdict {
  const wanted = role === 'any' ? undefined : WANTED[role];
  if (wanted !== undefined) {
    const { roleFault = 'the server has no role' } = finding;
    if (finding.role === undefined) return bad(`role not known: ${roleFault}`);
    if (!wanted.includes(finding.role)) return { ...bad(`it is a ${finding.role}`), certain: true };
  }
  if (finding.role === 'replica' && max_lag > 0) {
    const { lagMs } = finding;
    if (lagMs === undefined) return bad('lag not known');
    if (lagMs > max_lag) return bad(`${lagWords(lagMs)}, more than ${formatDuration(max_lag)}`);
  }
  return wanted !== undefined && finding.role !== wanted[0] ? STAND_IN : GOOD;
}

function bad(reason: string): Verdict {
  return { reason, certain: false, standIn: false };
}

function lagWords(lagMs: number): string {
  return lagMs === Number.POSITIVE_INFINITY
    ? 'no link to its primary'
    : `${formatDuration(Math.round(lagMs))} behind`;
}

import type { Finding } from '../finding.js';
import { plain } from './bytes.js';

/** One way to ask a backend whether it is well. When to ask and what to make of the answer live elsewhere. */
export interface Probe {
  /** What is asked and where: `tcp 10.0.0.1:5432`. */
  readonly description: string;
  /**
   * Ask once. Resolves to what was learned when the backend is well; rejects with a ProbeError within `timeoutMs`
   * milliseconds when it is not, or at once when `signal` aborts.
   */
  check(timeoutMs: number, signal?: AbortSignal): Promise<Finding>;
  /** Let go of what is kept between two checks. No check follows, and none is on its way. */
  close?(): void;
}

/** Why a probe failed. A result and not a fault: it never leaves the health room. */
export class ProbeError extends Error {
  /** True when this machine and not the backend is at fault, so that the result says nothing about the backend. */
  readonly local: boolean;
  /** True when the server said so itself: to ask it more often would only fill its log. */
  readonly said: boolean;

  constructor(reason: string, options?: { cause?: unknown; local?: boolean; said?: boolean }) {
    super(reason, { cause: options?.cause });
    this.name = 'ProbeError';
    this.local = options?.local ?? false;
    this.said = options?.said ?? false;
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection closed',
  ETIMEDOUT: 'connection timed out',
  EHOSTUNREACH: 'no route to host',
  EHOSTDOWN: 'host is down',
  ENETUNREACH: 'network unreachable',
  EADDRNOTAVAIL: 'local address not available',
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  ENOENT: 'no such socket',
  EAGAIN: 'accept queue full',
  EMFILE: 'too many open files',
  ENFILE: 'too many open files in the system',
  ENOBUFS: 'no buffer space',
  ENOMEM: 'out of memory',
};
/** Out of something on this side. Marking every backend down for it would turn a shortage into an outage. */
const LOCAL = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);

/** A system error in plain words. */
export function probeErrorOf(error: unknown): ProbeError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const message = error instanceof Error ? error.message : String(error);
  // OpenSSL's own words stand behind a long number.
  const reason = error instanceof Error && 'reason' in error ? `TLS: ${String(error.reason)}` : message;
  return new ProbeError(REASONS[code] ?? plain(reason), { cause: error, local: LOCAL.has(code) });
}

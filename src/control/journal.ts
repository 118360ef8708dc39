import type { Finished } from '../flow/sink.js';
import type { Logger } from '../log.js';
import type { Transition } from '../pool/backend.js';

/** A warning of one kind is written at most this often. */
const QUIET_MS = 10_000;

/** What lb4 writes into its log: connections, transitions and trouble, each in one place and one form. */
export class Journal {
  readonly log: Logger;
  /** One line for each finished connection or flow. */
  connections: boolean;
  private readonly now: () => number;
  private readonly quietUntil = new Map<string, { until: number; suppressed: number }>();

  constructor(log: Logger, connections: boolean, now: () => number) {
    this.log = log;
    this.connections = connections;
    this.now = now;
  }

  finished(record: Finished): void {
    if (!this.connections || !this.log.isLevelEnabled('info')) return;
    this.log.info(
      {
        service: record.service,
        client: record.client.toString(),
        backend: record.backend,
        bytes_in: record.bytesIn,
        bytes_out: record.bytesOut,
        connect_ms: record.connectMs < 0 ? null : round(record.connectMs),
        duration_ms: round(record.durationMs),
        attempts: record.attempts,
        reason: record.reason,
        ...(record.detail === '' ? {} : { detail: record.detail }),
      },
      'connection',
    );
  }

  transition({ backend, from, to, reason }: Transition): void {
    const fields = { service: backend.service, backend: backend.id, from, to, reason };
    if (to === 'down') this.log.warn(fields, 'backend is down');
    else this.log.info(fields, `backend is ${to}`);
  }

  /** Warn, but not again about the same `kind` for ten seconds; what was left out is counted in the next one. */
  trouble(kind: string, message: string): void {
    const now = this.now();
    const entry = this.quietUntil.get(kind);
    if (entry !== undefined && now < entry.until) {
      entry.suppressed++;
      return;
    }
    const suppressed = entry?.suppressed ?? 0;
    this.log.warn(suppressed > 0 ? { suppressed } : {}, message);
    this.quietUntil.set(kind, { until: now + QUIET_MS, suppressed: 0 });
  }
}

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

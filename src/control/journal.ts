import type { Finished } from '../flow/sink.js';
import type { Logger } from '../log.js';
import type { BalancerEvent } from './events.js';

/** A warning of one kind is written at most this often. */
const QUIET_MS = 10_000;

/** What lb4 writes into its log: connections, events and trouble, each in one place and one form. */
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

  /** Reloads and upgrades are logged by whoever makes them, lost threads with what is known of the fault. */
  event({ id: _, at: __, ...event }: BalancerEvent): void {
    const { log } = this;
    const { type, ...fields } = event;
    switch (event.type) {
      case 'state': {
        const { alarming, type: _, ...change } = event;
        log[alarming ? 'warn' : 'info'](change, `backend is ${event.to}`);
        break;
      }
      case 'weight':
        log.info(fields, 'weight changed');
        break;
      case 'backend_added':
        log.info(fields, 'backend added');
        break;
      case 'backend_removed':
        log.info(fields, 'backend removed');
        break;
      case 'panic': {
        const { service } = event;
        if (event.on) log.warn({ service }, 'too few healthy backends: health is ignored');
        else log.info({ service }, 'enough healthy backends: health counts again');
        break;
      }
      case 'split_brain':
        log.error(fields, 'split brain: several servers say that they are the primary');
        break;
      case 'split_brain_over':
        log.info(fields, 'split brain is over');
        break;
      case 'lookup_failed':
        log.warn(fields, 'name look-up failed');
        break;
      case 'lookup_recovered':
        log.info(fields, 'name look-up works again');
        break;
    }
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

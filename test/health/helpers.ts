import type { Endpoint } from '../../src/address.js';
import { type Finding, WELL } from '../../src/health/finding.js';
import { type Probe, ProbeError } from '../../src/health/probes/probe.js';
import type { HealthSettings } from '../../src/health/settings.js';
import { Backend, type Transition } from '../../src/pool/backend.js';
import { SlotAllocator } from '../../src/pool/slots.js';
import { SharedTable } from '../../src/pool/table.js';

export const NO_BYTES = new Uint8Array(0);

/** The defaults of the configuration, without jitter. */
export function settings(overrides: Partial<HealthSettings> = {}): HealthSettings {
  return {
    kind: 'tcp',
    interval: 2_000,
    fast_interval: 2_000,
    timeout: 1_000,
    fall: 3,
    rise: 2,
    jitter: 0,
    port: 0,
    send: NO_BYTES,
    expect: NO_BYTES,
    database: 'postgres',
    tls: false,
    role: 'any',
    max_lag: 0,
    split_brain: 'newest',
    passive_failures: 3,
    on_down: 'keep',
    slow_start: 0,
    panic_threshold: 0,
    ...overrides,
  };
}

/** Backends in a table of their own, and what they said about themselves: `b1 checking>up probe ok`. */
export class Pool {
  readonly table = SharedTable.create(1);
  readonly log: string[] = [];
  /** Those of them that are alarming. */
  readonly alarms: string[] = [];
  private readonly slots = new SlotAllocator(this.table);
  private ports = 0;

  backend(
    id: string,
    options: { backup?: boolean; trusted?: boolean; endpoint?: Endpoint; weight?: number } = {},
  ): Backend {
    return new Backend(
      {
        service: 's',
        id,
        endpoint: options.endpoint ?? { kind: 'ip', host: '127.0.0.1', port: ++this.ports },
        slot: this.slots.take(),
        weight: options.weight ?? 1,
        backup: options.backup ?? false,
        maxConnections: 0,
        admin: 'ready',
        trusted: options.trusted,
      },
      this.table,
      ({ backend, from, to, reason, alarming }: Transition) => {
        const line = `${backend.id} ${from}>${to} ${reason}`;
        this.log.push(line);
        if (alarming) this.alarms.push(line);
      },
    );
  }

  /** Effective weight as the data plane sees it. */
  weight(backend: Backend): number {
    return this.table.weight[backend.slot]!;
  }
}

/** A probe whose answer the test sets; `hang` never answers. */
export class FakeProbe implements Probe {
  readonly description = 'fake';
  answer: 'ok' | 'refused' | 'local' | 'said' | 'hang' = 'ok';
  asked = 0;
  inFlight = 0;
  mostInFlight = 0;
  private release: (() => void) | undefined;

  finding: Finding = WELL;

  async check(_timeoutMs: number, signal?: AbortSignal): Promise<Finding> {
    this.asked++;
    this.mostInFlight = Math.max(this.mostInFlight, ++this.inFlight);
    if (this.answer === 'hang') {
      await new Promise<void>(resolve => {
        this.release = resolve;
        signal?.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    this.inFlight--;
    if (this.answer === 'refused') throw new ProbeError('connection refused');
    if (this.answer === 'said') throw new ProbeError('starting up', { said: true });
    if (this.answer === 'local') throw new ProbeError('too many open files', { local: true });
    return this.finding;
  }

  /** Let a hanging probe answer what `answer` says by now. */
  finish(): void {
    this.release?.();
  }
}

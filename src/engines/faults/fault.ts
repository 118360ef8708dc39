import type { Endpoint } from '../../address.js';
import { Lb4Error } from '../../errors.js';

/** What a backend does wrong with a connection of real traffic. Health checks see the backend as it is. */
export type Fault = {
  /** For so many connections from now on; default: for all until `clear`. A retry counts as one more. */
  readonly connections?: number;
} & (
  | {
      /** `refuse`: connecting fails at once. `black-hole`: connecting hangs, as if packets were dropped. */
      readonly kind: 'refuse' | 'black-hole';
    }
  | {
      /** Connecting takes `ms` milliseconds longer. */
      readonly kind: 'delay';
      readonly ms: number;
    }
  | {
      /** The connection is reset after so many bytes from the backend; default 0: upon the client's first byte. */
      readonly kind: 'reset';
      readonly afterBytes?: number;
    }
);

/** A fault that was injected. */
export interface Injection {
  /** Connections that it was done to so far. */
  readonly hits: number;
  /** From here on the backend is as it is. */
  clear(): void;
}

/** A fault in force. `endpoint` is where a reset connection goes instead. */
export class ActiveFault implements Injection {
  readonly fault: Fault;
  readonly endpoint: Endpoint | undefined;
  hits = 0;
  private readonly onClear: () => void;

  constructor(fault: Fault, endpoint: Endpoint | undefined, onClear: () => void) {
    this.fault = fault;
    this.endpoint = endpoint;
    this.onClear = onClear;
  }

  /** False when it has been done often enough. */
  take(): boolean {
    const { connections = Number.POSITIVE_INFINITY } = this.fault;
    if (this.hits >= connections) return false;
    this.hits++;
    return true;
  }

  clear(): void {
    this.onClear();
  }
}

/** Throws Lb4Error LB4_USAGE for numbers that make no sense. */
export function checkFault(fault: Fault): void {
  const { kind, connections } = fault;
  if (connections !== undefined) expectCount('connections', connections, 1);
  if (kind === 'delay') expectCount('ms', fault.ms, 0);
  if (kind === 'reset' && fault.afterBytes !== undefined) expectCount('afterBytes', fault.afterBytes, 0);
}

function expectCount(name: string, value: number, least: number): void {
  if (Number.isInteger(value) && value >= least && value <= 0x7fff_ffff) return;
  throw new Lb4Error('LB4_USAGE', `${name}: expected a whole number from ${least}, got ${value}`);
}

import { type Endpoint, formatAddress } from '../../address.js';
import { Lb4Error } from '../../errors.js';
import type { HealthSettings } from '../settings.js';
import { tcpExchangeProbe } from './exchange-tcp.js';
import { udpExchangeProbe } from './exchange-udp.js';
import { postgresProbe } from './postgres.js';
import { loadPg } from './postgres-session.js';
import type { Probe } from './probe.js';
import { redisProbe } from './redis.js';
import { tcpProbe } from './tcp.js';

/** What a probe of a service's backends needs beside the health settings. */
export interface ProbeContext {
  readonly protocol: 'tcp' | 'udp';
  /** Local IP address to probe from; empty = the system's choice. */
  readonly source: string;
  /** Bytes ahead of everything a probe sends: a PROXY protocol header (v2 LOCAL, v1 UNKNOWN) or empty. */
  readonly preamble: Uint8Array;
}

/** Throws Lb4Error LB4_CONFIG when these probes need an optional package that is not installed. */
export async function requireProbe({ kind, user }: HealthSettings): Promise<void> {
  if (kind === 'postgres' && user !== undefined) await loadPg();
}

/**
 * The probe that the settings ask for, which must ask for one.
 * Throws Lb4Error LB4_CONFIG for UDP probes of a unix socket, which the schema refuses first.
 */
export function createProbe(settings: HealthSettings, backend: Endpoint, context: ProbeContext): Probe {
  const { source, preamble } = context;
  const endpoint =
    backend.kind === 'ip' && settings.port !== 0 ? { ...backend, port: settings.port } : backend;
  const target = { endpoint, source, preamble };
  switch (settings.kind) {
    case 'none':
      throw new RangeError('kind = "none" has no probe');
    case 'tcp':
      return tcpProbe(target);
    case 'exchange':
      if (context.protocol === 'tcp') return tcpExchangeProbe(target, settings);
      if (endpoint.kind === 'ip') return udpExchangeProbe({ ...target, endpoint }, settings);
      throw new Lb4Error('LB4_CONFIG', `expected an IP backend for UDP, got ${formatAddress(endpoint)}`);
    case 'postgres':
      return postgresProbe(target, settings);
    case 'redis':
      return redisProbe(target, settings);
  }
}

import { type Endpoint, formatAddress } from '../../address.js';
import { Lb4Error } from '../../errors.js';
import type { HealthSettings } from '../settings.js';
import { tcpExchangeProbe } from './exchange-tcp.js';
import { udpExchangeProbe } from './exchange-udp.js';
import type { Probe } from './probe.js';
import { tcpProbe } from './tcp.js';

/** What a probe of a service's backends needs beside the health settings. */
export interface ProbeContext {
  readonly protocol: 'tcp' | 'udp';
  /** Local IP address to probe from; empty = the system's choice. */
  readonly source: string;
  /** Bytes ahead of everything a probe sends: a PROXY protocol header (v2 LOCAL, v1 UNKNOWN) or empty. */
  readonly preamble: Uint8Array;
}

/**
 * The probe that the settings ask for, or undefined when they ask for none.
 * Throws Lb4Error LB4_CONFIG for UDP probes of a unix socket, which the schema refuses first.
 */
export function createProbe(
  settings: HealthSettings,
  backend: Endpoint,
  context: ProbeContext,
): Probe | undefined {
  const { source, preamble } = context;
  const endpoint =
    backend.kind === 'ip' && settings.port !== 0 ? { ...backend, port: settings.port } : backend;
  switch (settings.kind) {
    case 'none':
      return undefined;
    case 'tcp':
      return tcpProbe({ endpoint, source }, preamble);
    case 'exchange': {
      const exchange = { preamble, send: settings.send, expect: settings.expect };
      if (context.protocol === 'tcp') return tcpExchangeProbe({ endpoint, source }, exchange);
      if (endpoint.kind === 'ip') return udpExchangeProbe({ endpoint, source }, exchange);
      throw new Lb4Error('LB4_CONFIG', `expected an IP backend for UDP, got ${formatAddress(endpoint)}`);
    }
  }
}

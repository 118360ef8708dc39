import { type Endpoint, formatAddress } from '../address.js';
import type { ProbeContext } from './probes/index.js';
import { type HealthSettings, probing } from './settings.js';

/** The same text for probes that ask the same server the same in the same way and as often. */
export function questionKey(settings: HealthSettings, at: Endpoint, context: ProbeContext): string {
  const { protocol, source, preamble } = context;
  const asked = Object.entries(probing(settings)).sort(([a], [b]) => (a < b ? -1 : 1));
  // Passwords go by their mark.
  return JSON.stringify([formatAddress(at), protocol, source, [...preamble], asked]);
}

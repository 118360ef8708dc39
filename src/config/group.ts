import { z } from 'zod';
import { backendField } from './backend.js';
import { list } from './fields.js';
import { type Health, healthTable, type SharedHealth } from './health.js';

/** `[groups.X]` as the file has it. */
export const groupTable = z.strictObject({
  backends: list(
    backendField,
    'The servers: "host:port [weight=N] [backup] …" or tables, as in a service. At least one.',
  ),
  health: healthTable
    .prefault({})
    .describe('How its servers are probed, once for all services; and what services say nothing else about.'),
});

/**
 * What a service of a group may say about health by itself: what to make of the answers. The rest is asked once for all,
 * so it is the group's to say.
 */
export const OWN_HEALTH_KEYS: readonly (keyof SharedHealth)[] = [
  'fall',
  'rise',
  'role',
  'max_lag',
  'split_brain',
  'passive_failures',
  'on_down',
  'slow_start',
  'panic_threshold',
];

/** A service's health table as it is in effect: the group's, with what the service has `written` itself. */
export function inherit(group: SharedHealth, own: Health, written: ReadonlySet<string>): Health {
  const picked = OWN_HEALTH_KEYS.filter(key => written.has(key)).map(key => [key, own[key]]);
  return { ...group, kind: group.kind ?? own.kind, ...Object.fromEntries(picked) };
}

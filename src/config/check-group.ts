import type { Report } from './check.js';
import { checkOwnHealth } from './check-health.js';
import { OWN_HEALTH_KEYS } from './group.js';
import { valueAt } from './prepare.js';
import type { Config, ServiceConfig } from './schema.js';
import { didYouMean, quote } from './text.js';

/** Faults between a service and its group. `written` is the service's table before defaults. */
export function checkGrouped(
  { group = '', health, protocol }: ServiceConfig,
  groups: Config['groups'],
  written: unknown,
  report: Report,
): void {
  if (!Object.hasOwn(groups, group)) {
    const hint = didYouMean(group, Object.keys(groups));
    report(['group'], `expected the name of a table [groups.NAME], got ${quote(group)}${hint}`, ['health']);
    return;
  }
  if (valueAt(written, ['backends']) !== undefined) {
    report(['backends'], 'expected backends or group, got both', ['group']);
  }
  const own = valueAt(written, ['health']);
  const keys = typeof own === 'object' && own !== null ? Object.keys(own) : [];
  for (const key of keys.filter(one => !OWN_HEALTH_KEYS.some(known => known === one))) {
    const message = `expected this key in [groups.${group}.health]: its servers are probed once for all services`;
    report(['health', key], message, ['group']);
  }
  if (protocol === 'udp' && health.kind === 'exchange' && health.send.length === 0) {
    report(['group'], 'expected send in its health table: a UDP probe has to ask something', ['protocol']);
  }
  checkOwnHealth(health, own, report);
}

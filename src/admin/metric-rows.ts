import type { BackendMeasures, ServiceMeasures } from '../control/measure.js';
import { CLOSE_REASONS } from '../pool/reasons.js';
import { STATE_NAMES } from '../pool/table.js';
import { BUCKETS_MS, CHECK_RESULTS, HISTOGRAM_SUM, type Tally, type Total } from '../pool/totals.js';
import { type Exposition, labels } from './exposition.js';

/** These come before a backend is picked: a backend has no series of them. */
const UNPICKED = new Set<string>(['no_backend', 'denied', 'limit', 'bad_proxy_header']);
/** Upper bounds in seconds, as labels. */
const BOUNDS = [...BUCKETS_MS.map(ms => `le="${ms / 1_000}"`), 'le="+Inf"'];
const DROPS = { denied: 'droppedDenied', limit: 'droppedLimit', no_backend: 'droppedNoBackend' } as const;

/** So many backends are written in one go. */
const BATCH = 64;

/** One line of a page: whose counts, and the labels that say so. */
interface Row {
  readonly at: string;
  readonly tally: Tally;
  readonly now: BackendMeasures['now'];
}

/** A service, or where it has many backends a part of it. */
export interface Rows {
  readonly protocol: 'tcp' | 'udp';
  readonly unassigned: number;
  readonly queued: number;
  readonly panic: boolean;
  /** The label of the service alone. */
  readonly name: string;
  /** What concerns no backend: `backend=""`. Only in a service's first part; a UDP flow always has one. */
  readonly service: Row | undefined;
  readonly backends: readonly Row[];
}

/** Writes the samples of one metric. */
export type Tell = (page: Exposition, name: string, rows: Rows) => void;

/** A count that belongs to backends; `protocol` where it means nothing for the other one. */
export function perBackend(total: Total, protocol?: 'tcp' | 'udp'): Tell {
  return (page, name, rows) => {
    if (protocol !== undefined && rows.protocol !== protocol) return;
    for (const { at, tally } of rows.backends) page.sample(name, at, tally.get(total));
  };
}

/** Something about a backend as it is at the moment. */
export function gauge(value: (now: NonNullable<Row['now']>) => number): Tell {
  return (page, name, { backends }) => {
    for (const { at, now } of backends) if (now !== undefined) page.sample(name, at, value(now));
  };
}

/** A histogram of times, in seconds. */
export function histogram(total: Total, protocol?: 'tcp'): Tell {
  return (page, name, rows) => {
    if (protocol !== undefined && rows.protocol !== protocol) return;
    for (const { at, tally } of rows.backends) {
      let count = 0;
      for (const [i, bound] of BOUNDS.entries()) {
        count += tally.get(total, i);
        page.sample(`${name}_bucket`, `${at},${bound}`, count);
      }
      page.sample(`${name}_sum`, at, tally.get(total, HISTOGRAM_SUM) / 1_000);
      page.sample(`${name}_count`, at, count);
    }
  };
}

export const connections: Tell = (page, name, { protocol, service, backends }) => {
  if (service !== undefined && protocol === 'tcp') {
    page.sample(name, service.at, service.tally.get('unserved'));
  }
  for (const { at, tally } of backends) page.sample(name, at, tally.get('connections'));
};

export const active: Tell = (page, name, { protocol, service, unassigned, backends }) => {
  if (service !== undefined && protocol === 'tcp') page.sample(name, service.at, unassigned);
  for (const { at, now } of backends) if (now !== undefined) page.sample(name, at, now.active);
};

export const closed: Tell = (page, name, { protocol, service, backends }) => {
  for (const row of service === undefined || protocol === 'udp' ? backends : [service, ...backends]) {
    for (const [i, reason] of CLOSE_REASONS.entries()) {
      const count = row.tally.get('closed', i);
      if (row !== service && count === 0 && UNPICKED.has(reason)) continue;
      page.sample(name, `${row.at},reason="${reason}"`, count);
    }
  }
};

export const state: Tell = (page, name, { backends }) => {
  for (const { at, now } of backends) {
    if (now === undefined) continue;
    for (const one of STATE_NAMES) page.sample(name, `${at},state="${one}"`, now.state === one ? 1 : 0);
  }
};

export const queue: Tell = (page, name, { protocol, service, queued, ...rows }) => {
  if (service !== undefined && protocol === 'tcp') page.sample(name, rows.name, queued);
};

export const panic: Tell = (page, name, rows) => {
  if (rows.service !== undefined) page.sample(name, rows.name, rows.panic ? 1 : 0);
};

export const checks: Tell = (page, name, { backends }) => {
  for (const { at, tally } of backends) {
    for (const [i, result] of CHECK_RESULTS.entries()) {
      page.sample(name, `${at},result="${result}"`, tally.get('checks', i));
    }
  }
};

export const flows: Tell = (page, name, rows) => {
  if (rows.protocol === 'udp') gauge(now => now.active)(page, name, rows);
};

export const drops: Tell = (page, name, { protocol, service }) => {
  if (protocol !== 'udp' || service === undefined) return;
  for (const [reason, total] of Object.entries(DROPS)) {
    page.sample(name, `${service.at},reason="${reason}"`, service.tally.get(total));
  }
};

/** A service as rows. */
export function rowsOf({
  name: service,
  protocol,
  unassigned,
  queued,
  panic,
  tally,
  backends,
}: ServiceMeasures): Rows[] {
  const name = labels({ service });
  const row = (backend: string, tally: Tally, now?: Row['now']): Row => ({
    at: labels({ service, backend }),
    tally,
    now,
  });
  const rows = backends.map(one => row(one.id, one.tally, one.now));
  const parts: Rows[] = [];
  for (let i = 0; i === 0 || i < rows.length; i += BATCH) {
    const own = i === 0 ? row('', tally) : undefined;
    parts.push({
      protocol,
      unassigned,
      queued,
      panic,
      name,
      service: own,
      backends: rows.slice(i, i + BATCH),
    });
  }
  return parts;
}

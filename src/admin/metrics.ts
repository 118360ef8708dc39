import type { BackendMeasures, Measures, ServiceMeasures } from '../control/measure.js';
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
interface Rows {
  readonly protocol: 'tcp' | 'udp';
  readonly unassigned: number;
  readonly panic: boolean;
  /** The label of the service alone. */
  readonly name: string;
  /** What concerns no backend: `backend=""`. Only in a service's first part; a UDP flow always has one. */
  readonly service: Row | undefined;
  readonly backends: readonly Row[];
}

type Tell = (page: Exposition, name: string, rows: Rows) => void;

/** A metric with the labels `service` and `backend`. */
interface Metric {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly tell: Tell;
}

/** A count that belongs to backends; `protocol` where it means nothing for the other one. */
function perBackend(total: Total, protocol?: 'tcp' | 'udp'): Tell {
  return (page, name, rows) => {
    if (protocol !== undefined && rows.protocol !== protocol) return;
    for (const { at, tally } of rows.backends) page.sample(name, at, tally.get(total));
  };
}

/** Something about a backend as it is at the moment. */
function gauge(value: (now: NonNullable<Row['now']>) => number): Tell {
  return (page, name, { backends }) => {
    for (const { at, now } of backends) if (now !== undefined) page.sample(name, at, value(now));
  };
}

function histogram(total: Total, protocol?: 'tcp'): Tell {
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

const connections: Tell = (page, name, { protocol, service, backends }) => {
  if (service !== undefined && protocol === 'tcp') {
    page.sample(name, service.at, service.tally.get('unserved'));
  }
  for (const { at, tally } of backends) page.sample(name, at, tally.get('connections'));
};

const active: Tell = (page, name, { protocol, service, unassigned, backends }) => {
  if (service !== undefined && protocol === 'tcp') page.sample(name, service.at, unassigned);
  for (const { at, now } of backends) if (now !== undefined) page.sample(name, at, now.active);
};

const closed: Tell = (page, name, { protocol, service, backends }) => {
  for (const row of service === undefined || protocol === 'udp' ? backends : [service, ...backends]) {
    for (const [i, reason] of CLOSE_REASONS.entries()) {
      const count = row.tally.get('closed', i);
      if (row !== service && count === 0 && UNPICKED.has(reason)) continue;
      page.sample(name, `${row.at},reason="${reason}"`, count);
    }
  }
};

const state: Tell = (page, name, { backends }) => {
  for (const { at, now } of backends) {
    if (now === undefined) continue;
    for (const one of STATE_NAMES) page.sample(name, `${at},state="${one}"`, now.state === one ? 1 : 0);
  }
};

const panic: Tell = (page, name, rows) => {
  if (rows.service !== undefined) page.sample(name, rows.name, rows.panic ? 1 : 0);
};

const checks: Tell = (page, name, { backends }) => {
  for (const { at, tally } of backends) {
    for (const [i, result] of CHECK_RESULTS.entries()) {
      page.sample(name, `${at},result="${result}"`, tally.get('checks', i));
    }
  }
};

const flows: Tell = (page, name, rows) => {
  if (rows.protocol === 'udp') gauge(now => now.active)(page, name, rows);
};

const drops: Tell = (page, name, { protocol, service }) => {
  if (protocol !== 'udp' || service === undefined) return;
  for (const [reason, total] of Object.entries(DROPS)) {
    page.sample(name, `${service.at},reason="${reason}"`, service.tally.get(total));
  }
};

/** In the order of the page. */
export const METRICS: readonly Metric[] = [
  {
    name: 'lb4_connections_total',
    type: 'counter',
    help: 'TCP connections established to the backend, or UDP flows sent to it; backend="": connections that ended without a backend.',
    tell: connections,
  },
  {
    name: 'lb4_connections_active',
    type: 'gauge',
    help: 'Connections or flows that are open or being dialled; backend="": waiting for a backend.',
    tell: active,
  },
  {
    name: 'lb4_connections_closed_total',
    type: 'counter',
    help: 'Finished connections and flows by the reason of their log line; backend="": none was picked.',
    tell: closed,
  },
  {
    name: 'lb4_bytes_received_total',
    type: 'counter',
    help: 'Bytes from clients.',
    tell: perBackend('bytesIn'),
  },
  {
    name: 'lb4_bytes_sent_total',
    type: 'counter',
    help: 'Bytes to clients.',
    tell: perBackend('bytesOut'),
  },
  {
    name: 'lb4_connect_seconds',
    type: 'histogram',
    help: 'Time to connect to the backend.',
    tell: histogram('connectTimes', 'tcp'),
  },
  {
    name: 'lb4_response_seconds',
    type: 'histogram',
    help: "Time from the client's first byte, or the connect where the backend speaks first, to the backend's first byte.",
    tell: histogram('responseTimes'),
  },
  {
    name: 'lb4_connect_failures_total',
    type: 'counter',
    help: 'Attempts to connect that failed or timed out; UDP: port unreachable.',
    tell: perBackend('connectFailures'),
  },
  {
    name: 'lb4_retries_total',
    type: 'counter',
    help: 'Connections that went on to another backend after this one failed.',
    tell: perBackend('retries', 'tcp'),
  },
  {
    name: 'lb4_backend_up',
    type: 'gauge',
    help: '1 while new connections may go to the backend (up or checking), else 0.',
    tell: gauge(({ state }) => (state === 'up' || state === 'checking' ? 1 : 0)),
  },
  {
    name: 'lb4_backend_state',
    type: 'gauge',
    help: '1 for the state that the backend is in, 0 for the others.',
    tell: state,
  },
  {
    name: 'lb4_backend_weight',
    type: 'gauge',
    help: 'The weight in effect; slow start ramps it up.',
    tell: gauge(({ weight }) => weight),
  },
  {
    name: 'lb4_health_checks_total',
    type: 'counter',
    help: 'Finished probes by result; inconclusive: this machine could not ask.',
    tell: checks,
  },
  {
    name: 'lb4_health_check_seconds',
    type: 'histogram',
    help: 'How long probes took, failed ones included.',
    tell: histogram('checkTimes'),
  },
  {
    name: 'lb4_health_transitions_total',
    type: 'counter',
    help: 'Times that the backend was found up after it was not, or down.',
    tell: perBackend('healthChanges'),
  },
  {
    name: 'lb4_panic',
    type: 'gauge',
    help: '1 while so few backends are healthy that health is ignored (panic_threshold).',
    tell: panic,
  },
  {
    name: 'lb4_udp_flows_active',
    type: 'gauge',
    help: 'UDP flows that are open.',
    tell: flows,
  },
  {
    name: 'lb4_datagrams_received_total',
    type: 'counter',
    help: 'Datagrams from clients.',
    tell: perBackend('datagramsIn', 'udp'),
  },
  {
    name: 'lb4_datagrams_sent_total',
    type: 'counter',
    help: 'Datagrams to clients.',
    tell: perBackend('datagramsOut', 'udp'),
  },
  {
    name: 'lb4_datagrams_dropped_total',
    type: 'counter',
    help: 'Datagrams from clients that got no flow: denied by allow and deny, over a limit, or no backend usable.',
    tell: drops,
  },
];

/** The page without the metrics of the process; the caller ends it. */
export async function writeMetrics(page: Exposition, measures: Measures): Promise<void> {
  writeInstance(page, measures);
  const all = measures.services.flatMap(rowsOf);
  for (const { name, type, help, tell } of METRICS) {
    page.family(name, type, help);
    for (const rows of all) {
      tell(page, name, rows);
      await page.breathe();
    }
  }
}

function writeInstance(page: Exposition, measures: Measures): void {
  const { version, engine, threads, maxConnections } = measures;
  const one = (name: string, type: 'counter' | 'gauge', help: string, value: number): void => {
    page.family(name, type, help);
    page.sample(name, '', value);
  };
  page.family('lb4_build_info', 'gauge', '1, with what runs as labels.');
  page.sample('lb4_build_info', labels({ version, engine, node: process.version }), 1);
  one('lb4_threads', 'gauge', 'Data-plane threads.', threads);
  one(
    'lb4_max_connections',
    'gauge',
    'Connections and flows that the process takes; 0: no limit.',
    maxConnections,
  );
  page.family('lb4_reloads_total', 'counter', 'Reloads of the configuration; failed: nothing was changed.');
  page.sample('lb4_reloads_total', 'result="ok"', measures.reloads);
  page.sample('lb4_reloads_total', 'result="failed"', measures.reloadsRefused);
  one(
    'lb4_threads_lost_total',
    'counter',
    'Data-plane threads that died and were replaced.',
    measures.threadsLost,
  );
  one(
    'lb4_connections_lost_total',
    'counter',
    'Connections and flows that were lost with their thread.',
    measures.connectionsLost,
  );
}

function rowsOf({ name: service, protocol, unassigned, panic, tally, backends }: ServiceMeasures): Rows[] {
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
    parts.push({ protocol, unassigned, panic, name, service: own, backends: rows.slice(i, i + BATCH) });
  }
  return parts;
}

import type { Measures } from '../control/measure.js';
import { type Exposition, labels } from './exposition.js';
import {
  active,
  checks,
  closed,
  connections,
  drops,
  flows,
  gauge,
  histogram,
  panic,
  perBackend,
  queue,
  rowsOf,
  state,
  type Tell,
} from './metric-rows.js';

/** A metric with the labels `service` and `backend`. */
interface Metric {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly tell: Tell;
}

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
    name: 'lb4_queue_length',
    type: 'gauge',
    help: 'Connections that wait for a backend with room.',
    tell: queue,
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

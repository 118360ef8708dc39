import { statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';

/**
 * What prom-client says of a Node process and is left out: gauges that end in _total, lists of all sockets, which take long
 * where there are many, CPU time since it was first asked rather than since the start, and details nobody asks for.
 */
const UNWANTED =
  /^(nodejs_active_.*|nodejs_heap_space_.*|process_(open_fds|heap_bytes|cpu_.*)|nodejs_eventloop_lag(_min|_stddev|_p50)?_seconds)$/;
const DESCRIPTORS = '/proc/self/fd';

let registry: Registry | undefined;

/** CPU, memory, event loop and the like of this process, in Prometheus' text format. Nothing is measured before the first call. */
export function processMetrics(): Promise<string> {
  registry ??= create();
  return registry.metrics();
}

function create(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const { name } of registry.getMetricsAsArray()) {
    if (UNWANTED.test(name)) registry.removeSingleMetric(name);
  }
  const registers = [registry];
  new Counter({
    name: 'process_cpu_seconds_total',
    help: 'User and system CPU time spent by all threads, in seconds.',
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  if (process.platform === 'linux') {
    new Gauge({
      name: 'process_open_fds',
      help: 'Number of open file descriptors.',
      registers,
      async collect() {
        this.set(await openDescriptors());
      },
    });
  }
  return registry;
}

/** Newer kernels (6.2) tell the number as the folder's size. */
async function openDescriptors(): Promise<number> {
  const { size } = statSync(DESCRIPTORS);
  return size > 0 ? size : (await readdir(DESCRIPTORS)).length;
}

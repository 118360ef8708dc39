import { formatAddress } from '../address.js';
import type { Listening } from '../flow/listeners.js';
import type { ConnectionList } from '../flow/listing.js';
import type { Backend } from '../pool/backend.js';
import type { SharedTable, StateName } from '../pool/table.js';
import type { RuntimeChange } from './runtime.js';
import type { ServiceControl } from './service.js';

/** What `lb4 status` shows and GET /status answers. A copy: it does not change any more. */
export interface Snapshot {
  readonly name: string;
  readonly version: string;
  readonly pid: number;
  readonly engine: string;
  readonly threads: number;
  readonly uptime_seconds: number;
  readonly services: readonly ServiceSnapshot[];
}

export interface ServiceSnapshot {
  readonly name: string;
  readonly protocol: 'tcp' | 'udp';
  /** Where it listens, with the ports that the system chose. */
  readonly listen: readonly string[];
  readonly strategy: string;
  readonly active: number;
  readonly backends: readonly BackendSnapshot[];
  /** Backends of the configuration that were removed while running. */
  readonly removed: readonly string[];
  /** Backends that are no longer in the list and still have connections. */
  readonly leaving: readonly LeavingSnapshot[];
}

export interface LeavingSnapshot {
  readonly id: string;
  readonly address: string;
  /** Connections or flows that drain. */
  readonly active: number;
}

export interface BackendSnapshot {
  readonly id: string;
  readonly address: string;
  readonly state: StateName;
  readonly weight: number;
  /** Connections or flows open or being dialled. */
  readonly active: number;
  /** Connections or flows since the start. */
  readonly total: number;
  readonly bytes_in: number;
  readonly bytes_out: number;
  /** Moving average of the response time, as of the last answer; null while unknown. */
  readonly latency_ms: number | null;
  /** The last finished probe; null before the first. */
  readonly last_check: {
    readonly at: string;
    readonly result: string;
    readonly reason: string;
    readonly duration_ms: number;
  } | null;
  /** Why it is down; empty when it is not. */
  readonly down_reason: string;
  /** What was changed while running and is otherwise than the configuration says. */
  readonly runtime: RuntimeChange;
}

/** One service as it is now. `listening` is where the data plane says that it listens, for all services. */
export function snapshotService(
  service: ServiceControl,
  table: SharedTable,
  listening: readonly Listening[],
): ServiceSnapshot {
  return {
    name: service.config.name,
    protocol: service.config.protocol,
    listen: listening.filter(at => at.service === service.config.name).map(at => at.address),
    strategy: service.config.strategy.kind,
    active: Atomics.load(table.active, service.slot),
    backends: service.backends.list.map(backend => snapshotBackend(service, backend, table)),
    removed: service.backends.removed,
    leaving: service.backends.leaving
      .map(({ id, key, active }) => ({ id, address: key, active }))
      .filter(({ active }) => active > 0),
  };
}

/** One backend of a service as it is now. */
export function snapshotBackend(
  service: ServiceControl,
  backend: Backend,
  table: SharedTable,
): BackendSnapshot {
  const { slot } = backend;
  const check = service.lastChecks.get(backend);
  const { latency } = backend;
  return {
    id: backend.id,
    address: formatAddress(backend.endpoint),
    state: backend.state,
    weight: backend.weight,
    active: backend.active,
    total: table.total(slot, 'connections'),
    bytes_in: table.total(slot, 'bytesIn'),
    bytes_out: table.total(slot, 'bytesOut'),
    latency_ms: latency === 0 ? null : Math.round(latency * 1000) / 1000,
    last_check:
      check === undefined
        ? null
        : {
            at: check.at.toISOString(),
            result: check.result.result,
            reason: check.result.reason,
            duration_ms: Math.round(check.result.durationMs * 1000) / 1000,
          },
    down_reason: backend.downReason,
    runtime: service.backends.runtimeOf(backend),
  };
}

/** Open connections or flows. */
export interface Connections {
  readonly connections: readonly ConnectionSnapshot[];
  /** How many there are; more than are listed where a limit was set. */
  readonly total: number;
}

export interface ConnectionSnapshot {
  readonly client: string;
  /** Empty while it has none. */
  readonly backend: string;
  readonly age_seconds: number;
  /** Since a byte last moved; to a second. */
  readonly idle_seconds: number;
  readonly bytes_in: number;
  readonly bytes_out: number;
}

/** A list of connections as people read it. */
export function connectionsSnapshot({ connections, total }: ConnectionList, now: number): Connections {
  const seconds = (since: number): number => Math.round(Math.max(0, now - since)) / 1000;
  return {
    total,
    connections: connections.map(({ client, backend, startedAt, activeAt, bytesIn, bytesOut }) => ({
      client,
      backend,
      age_seconds: seconds(startedAt),
      idle_seconds: seconds(activeAt),
      bytes_in: bytesIn,
      bytes_out: bytesOut,
    })),
  };
}

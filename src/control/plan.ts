import type { ServiceConfig } from '../config/schema.js';
import { localHeader } from '../flow/proxy-protocol.js';
import type { MonitorConfig } from '../health/monitor.js';
import type { Backend } from '../pool/backend.js';
import type { BackendPlan, ServicePlan } from '../pool/plan.js';
import type { PassedSockets } from './sockets.js';

/** A service as the data plane gets it. */
export function servicePlan(
  slot: number,
  config: ServiceConfig,
  backends: readonly Backend[],
  sockets: PassedSockets,
  clients?: SharedArrayBuffer,
): ServicePlan {
  const { kind, ...options } = config.strategy;
  const { timeouts, proxy_protocol, socket, udp } = config;
  return {
    slot,
    name: config.name,
    protocol: config.protocol,
    listen: config.listen.map(listen => sockets.plan(listen, config.protocol)),
    strategy: { kind, options },
    backends: backends.map(backendPlan),
    limits: {
      maxConnections: config.max_connections,
      maxConnectionsPerClient: config.max_connections_per_client,
      connectionRate: config.connection_rate,
      connectionRatePerClient: config.connection_rate_per_client,
      allow: config.allow,
      deny: config.deny,
    },
    clients,
    timeouts: {
      connect: timeouts.connect,
      idle: timeouts.idle,
      halfClosed: timeouts.half_closed,
      queue: timeouts.queue,
      header: timeouts.header,
    },
    attempts: config.retry.attempts,
    queueSize: config.queue.size,
    passiveFailures: config.health.passive_failures,
    proxyProtocol: {
      accept: proxy_protocol.accept,
      acceptFrom: proxy_protocol.accept_from,
      send: proxy_protocol.send,
    },
    socket: {
      nodelay: socket.nodelay,
      keepalive: socket.keepalive,
      userTimeout: socket.user_timeout,
      backlog: socket.backlog,
      deferAccept: socket.defer_accept,
      fastopen: socket.fastopen,
      source: socket.source,
    },
    udp: { maxFlows: udp.max_flows, responses: udp.responses, requests: udp.requests },
  };
}

function backendPlan({ slot, id, key, endpoint, maxConnections }: Backend): BackendPlan {
  return { slot, id, key, endpoint, maxConnections };
}

/** How a service's backends are probed. */
export function monitorConfig({ health, protocol, socket, proxy_protocol }: ServiceConfig): MonitorConfig {
  const { send } = proxy_protocol;
  return {
    settings: health,
    protocol,
    source: socket.source,
    preamble: send === 'off' ? new Uint8Array(0) : localHeader(send),
  };
}

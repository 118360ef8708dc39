import type { AdminContext, App } from '../app.js';
import {
  backendParams,
  closed,
  closing,
  connectionQuery,
  connections,
  problem,
  serviceParams,
} from '../schemas.js';

/** Open connections: which there are, and which of them are to be closed. */
export function connectionRoutes(app: App, { balancer }: AdminContext): void {
  app.route({
    method: 'GET',
    url: '/services/:service/connections',
    schema: {
      summary: 'List open connections or flows, the oldest first',
      params: serviceParams,
      querystring: connectionQuery,
      response: { 200: connections, 400: problem, 404: problem },
    },
    handler: ({ params: { service }, query: { backend, limit } }) =>
      balancer.connections(service, { backend, limit }),
  });
  app.route({
    method: 'POST',
    url: '/services/:service/backends/:backend/close',
    schema: {
      summary: "Close a backend's open connections, paced, the quietest first",
      params: backendParams,
      body: closing,
      response: { 202: closed, 400: problem, 404: problem },
    },
    handler: async ({ params: { service, backend }, body }, reply) => {
      reply.code(202);
      return { closing: balancer.closeConnections(service, backend, perSecond(body?.rate)) };
    },
  });
  app.route({
    method: 'POST',
    url: '/services/:service/rebalance',
    schema: {
      summary: 'Close as many connections as it takes to level the load by weight, paced, the quietest first',
      params: serviceParams,
      body: closing,
      response: { 202: closed, 400: problem, 404: problem, 409: problem },
    },
    handler: async ({ params: { service }, body }, reply) => {
      reply.code(202);
      return { closing: balancer.rebalance(service, perSecond(body?.rate)) };
    },
  });
}

/** A rate of 0 is no limit, as in the configuration. */
function perSecond(rate: number | undefined): number | undefined {
  return rate === 0 ? Number.POSITIVE_INFINITY : rate;
}

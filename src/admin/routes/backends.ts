import type { AdminContext, App } from '../app.js';
import {
  addedBackend,
  backendChange,
  backendParams,
  backendStatus,
  newBackend,
  problem,
  removedBackend,
  serviceParams,
} from '../schemas.js';

/** Changes of backends that take effect at once. */
export function backendRoutes(app: App, { balancer }: AdminContext): void {
  app.route({
    method: 'PATCH',
    url: '/services/:service/backends/:backend',
    schema: {
      summary: "Change a backend's state or weight",
      params: backendParams,
      body: backendChange,
      response: { 200: backendStatus, 400: problem, 404: problem },
    },
    handler: ({ params: { service, backend }, body: { state, weight } }) => {
      if (weight !== undefined) balancer.setWeight(service, backend, weight);
      if (state !== undefined) balancer.setState(service, backend, state);
      return balancer.backend(service, backend);
    },
  });
  app.route({
    method: 'POST',
    url: '/services/:service/backends',
    schema: {
      summary: 'Add a backend',
      params: serviceParams,
      body: newBackend,
      response: { 201: addedBackend, 400: problem, 404: problem, 409: problem, 422: problem },
    },
    handler: async ({ params: { service }, body }, reply) => {
      const backends = await balancer.addBackend(service, body);
      reply.code(201);
      return { id: body.id, backends };
    },
  });
  app.route({
    method: 'DELETE',
    url: '/services/:service/backends/:backend',
    schema: {
      summary: 'Remove a backend: it drains and is gone',
      params: backendParams,
      response: { 200: removedBackend, 404: problem, 409: problem },
    },
    handler: ({ params: { service, backend } }) => balancer.removeBackend(service, backend),
  });
}

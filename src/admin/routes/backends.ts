import type { AdminContext, App } from '../app.js';
import { backendChange, backendParams, backendStatus, problem } from '../schemas.js';

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
}

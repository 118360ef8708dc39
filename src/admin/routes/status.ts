import type { AdminContext, App } from '../app.js';
import { status } from '../schemas.js';

/** Everything as it is now. */
export function statusRoutes(app: App, { balancer }: AdminContext): void {
  app.route({
    method: 'GET',
    url: '/status',
    schema: { summary: 'The instance, its services and their backends', response: { 200: status } },
    handler: async () => {
      await balancer.settleSoon();
      return balancer.snapshot();
    },
  });
}

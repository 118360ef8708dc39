import { Lb4Error } from '../../errors.js';
import type { App, RouteContext } from '../app.js';
import { problem, upgradeOrder, upgradeReport } from '../schemas.js';

/** Have another process take over. */
export function upgradeRoutes(app: App, { upgrade, isLocal }: RouteContext): void {
  app.route({
    method: 'POST',
    url: '/upgrade',
    schema: {
      summary:
        'Start the program again, or another one, and hand everything over to it, open connections included',
      body: upgradeOrder,
      response: { 200: upgradeReport, 403: problem, 409: problem, 422: problem, 502: problem },
    },
    handler: ({ body }) => {
      const order = body ?? {};
      // Whoever may send requests from elsewhere must not choose what is run here.
      if (order.program !== undefined && !isLocal) {
        throw new Lb4Error('LB4_PERMISSION', 'program: expected over a unix socket only');
      }
      return upgrade(order);
    },
  });
}

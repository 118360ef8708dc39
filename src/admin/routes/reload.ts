import type { AdminContext, App } from '../app.js';
import { problem, reloadReport } from '../schemas.js';

/** Take the configuration file as it is now. */
export function reloadRoutes(app: App, { reload }: AdminContext): void {
  app.route({
    method: 'POST',
    url: '/reload',
    schema: {
      summary: 'Read the configuration file again and take what changed; all or nothing',
      response: { 200: reloadReport, 409: problem, 422: problem },
    },
    handler: () => reload(),
  });
}

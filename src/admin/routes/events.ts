import type { AdminContext, App } from '../app.js';
import { EventStreams } from '../events.js';
import { problem } from '../schemas.js';

/** What happens, as it happens. */
export function eventRoutes(app: App, { balancer }: AdminContext): void {
  const streams = new EventStreams(balancer);
  app.addHook('preClose', async () => streams.close());
  app.route({
    method: 'GET',
    url: '/events',
    exposeHeadRoute: false,
    schema: {
      summary: 'State changes, reloads and other events as server-sent events (text/event-stream)',
      response: { 503: problem },
    },
    handler: async (request, reply) => {
      if (streams.full) {
        reply.code(503);
        return { error: 'too many readers of events' };
      }
      reply.hijack();
      streams.start(reply.raw, request.headers['last-event-id'] as string | undefined);
    },
  });
}

import { z } from 'zod';
import type { AdminContext, App } from '../app.js';
import { problem } from '../schemas.js';

const ok = z.object({ ok: z.literal(true) });

/** For whatever starts and watches this process: does it live, and is it of use? Without a token. */
export function probeRoutes(app: App, { balancer }: AdminContext): void {
  app.route({
    method: 'GET',
    url: '/livez',
    config: { open: true },
    schema: { summary: 'The process answers', response: { 200: ok } },
    handler: () => ({ ok: true as const }),
  });
  app.route({
    method: 'GET',
    url: '/readyz',
    config: { open: true },
    schema: {
      summary: 'It accepts connections, and every service has a usable backend',
      response: { 200: ok, 503: problem },
    },
    handler: async (_request, reply) => {
      const fault = balancer.unready();
      if (fault === '') return { ok: true as const };
      reply.code(503);
      return { error: fault };
    },
  });
}

import type { AdminContext, App } from '../app.js';
import { CONTENT_TYPE, Exposition } from '../exposition.js';
import { writeMetrics } from '../metrics.js';

/** For Prometheus. */
export function metricRoutes(app: App, { balancer }: AdminContext): void {
  let underWay: Promise<Buffer> | undefined;
  const page = async (): Promise<Buffer> => {
    const exposition = new Exposition();
    await writeMetrics(exposition, await balancer.measure());
    // Loaded by whoever asks first: many never do, and prom-client takes as long as a good part of the start.
    const { processMetrics } = await import('../process-metrics.js');
    return exposition.end(await processMetrics());
  };
  app.route({
    method: 'GET',
    url: '/metrics',
    schema: { summary: 'All counters and gauges in the text format of Prometheus' },
    handler: async (_request, reply) => {
      // Who asks while a page is being written gets that one: many scrapers cost no more than one.
      underWay ??= page().finally(() => {
        underWay = undefined;
      });
      reply.type(CONTENT_TYPE);
      return await underWay;
    },
  });
}

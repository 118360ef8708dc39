import type { Duplex } from 'node:stream';
import swagger from '@fastify/swagger';
import fastify, {
  type FastifyBaseLogger,
  type FastifyReply,
  LogController,
  type RawServerDefault,
} from 'fastify';
import {
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import { Lb4Error } from '../errors.js';
import type { Logger } from '../log.js';
import { VERSION } from '../version.js';
import type { AdminContext, App } from './app.js';
import { forward } from './forward.js';
import type { Gate } from './gate.js';
import type { Guard } from './guard.js';
import { malformed, problemOf } from './problems.js';
import { backendRoutes } from './routes/backends.js';
import { connectionRoutes } from './routes/connections.js';
import { dashboardRoutes } from './routes/dashboard.js';
import { eventRoutes } from './routes/events.js';
import { metricRoutes } from './routes/metrics.js';
import { probeRoutes } from './routes/probes.js';
import { reloadRoutes } from './routes/reload.js';
import { statusRoutes } from './routes/status.js';
import { upgradeRoutes } from './routes/upgrade.js';

/** Nothing that is asked here is longer. */
const BODY_LIMIT = 65_536;
/** A backend's id has up to 128 characters, each of them encoded. */
const PARAM_LIMIT = 1_024;
/** Slow requests and idle connections must not pile up beside the traffic. */
const REQUEST_TIMEOUT_MS = 5_000;
/** How long whoever sent something malformed has to read why. */
const LINGER_MS = 1_000;
/** Streams of events and some more; `divideDescriptors` leaves room for them. */
const MAX_CONNECTIONS = 24;

/** The HTTP server with all its routes, ready to listen. */
export async function buildServer(context: AdminContext, guard: Guard, gate: Gate): Promise<App> {
  const app: App = fastify<RawServerDefault>({
    loggerInstance: context.log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: REQUEST_TIMEOUT_MS,
    http: { headersTimeout: REQUEST_TIMEOUT_MS, connectionsCheckingInterval: REQUEST_TIMEOUT_MS / 5 },
    routerOptions: { maxParamLength: PARAM_LIMIT },
    // Faults that are found before there is a route.
    frameworkErrors: (error, _request, reply) => {
      const { status, body } = problemOf(error)!;
      void (reply as FastifyReply).code(status).send(body);
    },
    clientErrorHandler: (error, socket) => {
      if (!socket.writable || error.code === 'ECONNRESET') socket.destroy();
      else socket.end(malformed(error.code), () => hangUp(socket, error.code));
    },
  }).withTypeProvider<ZodTypeProvider>();
  app.server.maxConnections = MAX_CONNECTIONS;
  takeJson(app);
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  protect(app, guard);
  answerErrors(app, context.log, gate);
  app.addHook('preHandler', async (request, reply) => {
    await gate.pass();
    if (gate.successor !== undefined) return forward(request, reply, gate.successor);
  });
  await app.register(swagger, {
    openapi: { openapi: '3.1.0', info: { title: 'lb4 admin interface', version: VERSION } },
    transform: jsonSchemaTransform,
  });
  const routes = [
    probeRoutes,
    statusRoutes,
    metricRoutes,
    eventRoutes,
    backendRoutes,
    connectionRoutes,
    reloadRoutes,
    upgradeRoutes,
    dashboardRoutes,
  ];
  for (const add of routes) add(app, { ...context, isLocal: guard.isLocal });
  app.get('/openapi.json', { schema: { summary: 'This document', hide: true } }, () => app.swagger());
  await app.ready();
  return app;
}

/** One that is not waited for would keep its place. Bytes that nobody read would turn the close into a reset, which overtakes the answer. */
function hangUp(socket: Duplex, code: string | undefined): void {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') socket.destroy();
  else setTimeout(() => socket.destroy(), LINGER_MS).unref();
}

/** Bodies are JSON. One that is empty is none, whatever its type says: clients name the type with every request. */
function takeJson(app: App): void {
  // A web page may send text without asking first; JSON it may not.
  app.removeAllContentTypeParsers();
  const parse = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, undefined);
    else parse(request, body as string, done);
  });
}

function protect(app: App, guard: Guard): void {
  app.addHook('onRequest', async (request, reply) => {
    const refusal = guard.check(request.headers, request.routeOptions.config.open === true);
    if (refusal !== '') await reply.code(403).send({ error: refusal });
  });
}

/** Whatever goes wrong is answered in one form. */
function answerErrors(app: App, log: Logger, gate: Gate): void {
  app.setNotFoundHandler((request, reply) =>
    reply.code(404).send({ error: `no such thing here: ${request.method} ${request.url.split('?', 1)[0]}` }),
  );
  app.setErrorHandler(async (error, request, reply) => {
    // It was under way when another process took over, which it had to wait for.
    if (error instanceof Lb4Error && error.code === 'LB4_CLOSED') {
      await gate.pass();
      if (gate.successor !== undefined) return forward(request, reply, gate.successor);
    }
    const problem = problemOf(error);
    if (problem !== undefined) return reply.code(problem.status).send(problem.body);
    log.error({ err: error, method: request.method, url: request.url }, 'a request failed');
    return reply.code(500).send({ error: 'internal error: see the log' });
  });
}

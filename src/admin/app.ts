import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Balancer } from '../balancer.js';
import type { ServiceDiff } from '../config/diff.js';
import type { Logger } from '../log.js';

/** The HTTP server that routes are added to. */
export type App = FastifyInstance<
  Server,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** What a reload did. */
export interface ReloadReport {
  /** In words, one thought a line. */
  readonly changes: readonly string[];
  /** Services. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly ServiceDiff[];
  /** Connections and flows that were open through it. */
  readonly kept: number;
}

/** What routes work on. */
export interface AdminContext {
  readonly balancer: Balancer;
  readonly log: Logger;
  /** Read the configuration again and take it. Rejects with Lb4Error and has changed nothing then. */
  reload(): Promise<ReloadReport>;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** May be used without the token: it tells nothing. */
    readonly open?: boolean;
  }
}

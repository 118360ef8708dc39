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

/** What an upgrade is to be like. */
export interface UpgradeOrder {
  /** Absolute path of the program to start; default: this one again, as it lies on the disk now. */
  readonly program?: string | undefined;
  /** For each step, ms. */
  readonly timeout?: number | undefined;
}

/** What an upgrade did. */
export interface UpgradeReport {
  /** Versions of the old program and of the new one. */
  readonly from: string;
  readonly version: string;
  /** Of the new process. */
  readonly pid: number;
  /** Connections and flows that went over. */
  readonly connections: number;
  readonly flows: number;
  /** Those that did not, and end in the old process in their own time: engine net. */
  readonly draining: number;
  /** For how long open connections stood still, ms; null where none went over. */
  readonly freeze_ms: number | null;
  /** What could not be kept, in words. */
  readonly lost: readonly string[];
  /** What is otherwise by the new process's configuration, in words. */
  readonly changes: readonly string[];
}

/** What routes work on. */
export interface AdminContext {
  readonly balancer: Balancer;
  readonly log: Logger;
  /** Read the configuration again and take it. Rejects with Lb4Error and has changed nothing then. */
  reload(): Promise<ReloadReport>;
  /**
   * Have another process take over, connections and all. Rejects with Lb4Error and has changed nothing then: LB4_CONFLICT while one
   * is under way, LB4_UPGRADE, or what the new process finds wrong with its configuration.
   */
  upgrade(order: UpgradeOrder): Promise<UpgradeReport>;
}

/** What a server adds to that. */
export interface RouteContext extends AdminContext {
  /** Whoever asks can only be this user, or root, on this machine. */
  readonly isLocal: boolean;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** May be used without the token: it tells nothing. */
    readonly open?: boolean;
  }
}

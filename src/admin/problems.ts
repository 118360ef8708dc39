import type { FastifyError } from 'fastify';
import { ConfigError, type ErrorCode, formatIssue, Lb4Error } from '../errors.js';

/** What an error is answered with. */
export interface Problem {
  readonly status: number;
  readonly body: { readonly error: string; readonly errors?: readonly string[] };
}

const STATUS: Partial<Record<ErrorCode, number>> = {
  LB4_NOT_FOUND: 404,
  LB4_CONFLICT: 409,
  LB4_LIMIT: 409,
  LB4_CLOSED: 409,
  LB4_CONFIG: 422,
  LB4_LISTEN: 422,
  LB4_STRATEGY: 422,
  LB4_PERMISSION: 403,
  LB4_UPGRADE: 502,
};

/** An error as the caller gets it; undefined for a fault of ours, which is logged and not told. */
export function problemOf(error: unknown): Problem | undefined {
  if (error instanceof Lb4Error) {
    const status = STATUS[error.code] ?? 400;
    if (status !== 422) return { status, body: { error: error.message } };
    const errors = error instanceof ConfigError ? error.issues.map(formatIssue) : error.message.split('\n');
    return { status, body: { error: errors.join('\n'), errors } };
  }
  const { validation, validationContext, statusCode, message } = error as Partial<FastifyError>;
  if (validation !== undefined) {
    const faults = validation.map(({ instancePath, message }) => {
      const key = instancePath.slice(1).replaceAll('/', '.');
      return key === '' ? message : `${key}: ${message}`;
    });
    return { status: 400, body: { error: `${validationContext}: ${faults.join('; ')}` } };
  }
  if (statusCode === 415) return { status: 415, body: { error: 'expected Content-Type: application/json' } };
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return { status: statusCode, body: { error: message ?? 'bad request' } };
  }
  return undefined;
}

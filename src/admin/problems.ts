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

/** Fastify's faults that say it in words of its own, or repeat what was sent. */
const WORDS: Readonly<Record<string, string>> = {
  FST_ERR_CTP_INVALID_JSON_BODY: 'body: not valid JSON',
  FST_ERR_BAD_URL: 'expected a URL in which every % begins an encoded byte',
  FST_ERR_MAX_PARAM_LENGTH: 'no name or id is that long',
};

/** What Node's HTTP server finds wrong before there is a request. */
const MALFORMED: Readonly<Record<string, readonly [status: string, error: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'the request did not come to its end in time'],
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'the headers are too long'],
};

/** The whole answer to a client that does not speak HTTP, as text to be sent; `code` is Node's. */
export function malformed(code: string | undefined): string {
  const [status, error] = MALFORMED[code ?? ''] ?? ['400 Bad Request', 'expected an HTTP request'];
  const body = JSON.stringify({ error });
  return [
    `HTTP/1.1 ${status}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${body.length}`,
    'Connection: close',
    '',
    body,
  ].join('\r\n');
}

/** An error as the caller gets it; undefined for a fault of ours, which is logged and not told. */
export function problemOf(error: unknown): Problem | undefined {
  if (error instanceof Lb4Error) {
    const status = STATUS[error.code] ?? 400;
    if (status !== 422) return { status, body: { error: error.message } };
    const errors = error instanceof ConfigError ? error.issues.map(formatIssue) : error.message.split('\n');
    return { status, body: { error: errors.join('\n'), errors } };
  }
  const { validation, validationContext, statusCode, message, code = '' } = error as Partial<FastifyError>;
  if (validation !== undefined) {
    const faults = validation.map(({ instancePath, message }) => {
      const key = instancePath.slice(1).replaceAll('/', '.');
      return key === '' ? message : `${key}: ${message}`;
    });
    return { status: 400, body: { error: `${validationContext}: ${faults.join('; ')}` } };
  }
  const words = WORDS[code];
  if (statusCode !== undefined && words !== undefined) return { status: statusCode, body: { error: words } };
  if (statusCode === 415) return { status: 415, body: { error: 'expected Content-Type: application/json' } };
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return { status: statusCode, body: { error: message ?? 'bad request' } };
  }
  return undefined;
}

import { request as ask } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AdminAddress } from './address.js';

/** The other process answers as soon as it can; it is asked on this machine. */
const PATIENCE_MS = 10_000;
/** What concerns one connection only: RFC 9110, section 7.6.1. */
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length', 'expect']);

/** Have a request answered by the interface of another process. */
export function forward(request: FastifyRequest, reply: FastifyReply, to: AdminAddress): FastifyReply {
  const { method, url, headers, body } = request;
  const kept = Object.entries(headers).filter(([name]) => !HOP_BY_HOP.has(name));
  const text = body === undefined || body === null ? undefined : JSON.stringify(body);
  const outgoing = ask({
    ...(to.kind === 'unix' ? { socketPath: to.path } : { host: to.host, port: to.port }),
    method,
    path: url,
    agent: false,
    timeout: PATIENCE_MS,
    headers: {
      ...Object.fromEntries(kept),
      ...(text !== undefined && { 'content-length': Buffer.byteLength(text) }),
    },
  });
  const { raw } = reply.hijack();
  outgoing.on('response', incoming => {
    const heard = Object.entries(incoming.headers).filter(([name]) => !HOP_BY_HOP.has(name));
    raw.writeHead(incoming.statusCode ?? 502, Object.fromEntries(heard) as Record<string, string>);
    incoming.pipe(raw);
    incoming.on('error', () => raw.destroy());
  });
  outgoing.on('timeout', () => outgoing.destroy());
  outgoing.on('error', () => raw.destroy());
  outgoing.end(text);
  return reply;
}

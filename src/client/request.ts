import { Agent, type IncomingMessage, request } from 'node:http';
import type { AdminAddress } from '../admin/address.js';
import { escapeText } from '../config/text.js';
import { Lb4Error } from '../errors.js';
import { describeSystemError } from '../system-error.js';

export type { AdminAddress } from '../admin/address.js';

export interface RequesterOptions {
  /** Bearer token. */
  readonly token?: string;
  /** An answer that takes longer is none. Milliseconds, above 0; default 10,000. */
  readonly timeoutMs?: number;
}

/** An answer of 2xx. */
export interface Answer {
  readonly body: string;
  readonly json: unknown;
}

const TIMEOUT_MS = 10_000;
/** Thousands of backends and connections fit; whatever sends more is no lb4. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
const REFUSED: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOENT: 'there is no such socket',
  EACCES: 'permission denied: only the user it runs as and root may use it',
};

/** `unix:/run/lb4/lb4.sock` or `127.0.0.1:9090`, safe to print. */
export function addressText(at: AdminAddress): string {
  if (at.kind === 'unix') return escapeText(`unix:${at.path}`);
  return at.host.includes(':') ? `[${at.host}]:${at.port}` : `${at.host}:${at.port}`;
}

/** Asks one admin interface, over one connection as long as that lives. An idle one does not keep the process alive. */
export class Requester {
  readonly at: AdminAddress;
  readonly token: string | undefined;
  private readonly timeoutMs: number;
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 1 });

  constructor(at: AdminAddress, { token, timeoutMs = TIMEOUT_MS }: RequesterOptions = {}) {
    this.at = at;
    this.token = token;
    this.timeoutMs = timeoutMs;
  }

  /**
   * Rejects with Lb4Error: LB4_ADMIN when there is no answer, or one that says no (403, 404, 409, 5xx); LB4_USAGE for
   * what is malformed (400); LB4_CONFIG, a line for each fault, for what does not hold (422).
   */
  async ask(method: string, path: string, body?: unknown): Promise<Answer> {
    const { status, text } = await this.exchange(
      method,
      path,
      body === undefined ? undefined : JSON.stringify(body),
    );
    const json = parse(text);
    if (status >= 200 && status < 300 && json !== undefined) return { body: text, json };
    throw this.refusal(status, json);
  }

  /** Drop the connection. */
  close(): void {
    this.agent.destroy();
  }

  private exchange(
    method: string,
    path: string,
    body: string | undefined,
  ): Promise<{ status: number; text: string }> {
    const { at, token, agent } = this;
    return new Promise((resolve, reject) => {
      const outgoing = request({
        ...(at.kind === 'unix'
          ? { socketPath: at.path, host: 'localhost' }
          : { host: at.host, port: at.port }),
        method,
        path,
        agent,
        headers: {
          accept: 'application/json',
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...(body !== undefined && {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
          }),
        },
      });
      const fail = (error: NodeJS.ErrnoException): void => {
        clearTimeout(timer);
        outgoing.destroy();
        reject(this.fault(error));
      };
      const timer = setTimeout(
        () => fail(new Error(`no answer within ${this.timeoutMs / 1000} s`)),
        this.timeoutMs,
      );
      outgoing.on('error', fail);
      outgoing.on('response', response => {
        read(response).then(text => {
          clearTimeout(timer);
          resolve({ status: response.statusCode ?? 0, text });
        }, fail);
      });
      outgoing.end(body);
    });
  }

  private fault(error: NodeJS.ErrnoException): Lb4Error {
    // Node's HTTP parser has codes and words of its own.
    const why = error.code?.startsWith('HPE_')
      ? 'what answers there is no lb4'
      : (REFUSED[error.code ?? ''] ?? describeSystemError(error));
    return new Lb4Error('LB4_ADMIN', `cannot ask ${addressText(this.at)}: ${why}`, { cause: error });
  }

  private refusal(status: number, json: unknown): Lb4Error {
    const { error, errors } = (typeof json === 'object' && json !== null ? json : {}) as Record<
      string,
      unknown
    >;
    const at = addressText(this.at);
    if (typeof error !== 'string') {
      return new Lb4Error('LB4_ADMIN', `${at} does not answer like lb4 (HTTP ${status})`);
    }
    if (status === 422) {
      const lines = Array.isArray(errors) ? errors.map(String) : [error];
      return new Lb4Error('LB4_CONFIG', lines.map(escapeText).join('\n'));
    }
    const text = escapeText(error);
    // Who typed a command sent no body.
    if (status === 400) return new Lb4Error('LB4_USAGE', text.replace(/^body: /, ''));
    if (status === 403) {
      const hint = this.token === undefined ? '; a token is given by --token-file or LB4_TOKEN' : '';
      return new Lb4Error('LB4_ADMIN', `${at} refused: ${text}${hint}`);
    }
    return new Lb4Error('LB4_ADMIN', text);
  }
}

function read(response: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let length = 0;
    response.on('data', (part: Buffer) => {
      length += part.length;
      if (length > MAX_ANSWER_BYTES) reject(new Error(`the answer has more than ${MAX_ANSWER_BYTES} bytes`));
      else parts.push(part);
    });
    response.on('end', () => resolve(Buffer.concat(parts).toString()));
    response.on('error', reject);
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

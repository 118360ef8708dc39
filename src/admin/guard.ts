import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIp } from '../address.js';

/** Why a request is turned away, in words; empty when it may pass. */
export type Refusal = string;

/**
 * Who may talk to the interface. A unix socket is guarded by its mode. On TCP a web page must not: `Host` has to be an
 * address or localhost (a page that made its own name resolve to this machine sends that name), or a token is sent, which
 * no page knows; and `Origin`, which browsers add, has to be the interface's own.
 */
export class Guard {
  private readonly tcp: boolean;
  private digest: Buffer | undefined;

  constructor(tcp: boolean, token: string | undefined) {
    this.tcp = tcp;
    this.setToken(token);
  }

  /** Whoever asks can only be this user, or root, on this machine. */
  get isLocal(): boolean {
    return !this.tcp;
  }

  setToken(token: string | undefined): void {
    this.digest = token === undefined ? undefined : sha256(token);
  }

  /** `open`: the route may be used without a token. */
  check(headers: IncomingHttpHeaders, open: boolean): Refusal {
    if (!this.tcp) return '';
    const { host = '', origin, authorization = '' } = headers;
    const known = this.digest !== undefined && this.matches(authorization);
    if (!known && !isLocalName(host)) return 'expected a Host header with an IP address or localhost';
    if (origin !== undefined && !isSameOrigin(origin, host))
      return 'requests from other web pages are refused';
    if (this.digest !== undefined && !known && !open) return 'expected Authorization: Bearer with the token';
    return '';
  }

  /** In constant time, whatever the length: both sides are digests. */
  private matches(authorization: string): boolean {
    const [scheme = '', token = ''] = authorization.split(' ', 2);
    return scheme.toLowerCase() === 'bearer' && timingSafeEqual(sha256(token), this.digest!);
  }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** A Host header that no name service had a say in. */
function isLocalName(host: string): boolean {
  const name = host.replace(/:\d{1,5}$/, '').toLowerCase();
  return name === 'localhost' || isIp(name) || (/^\[.*\]$/.test(name) && isIp(name.slice(1, -1)));
}

function isSameOrigin(origin: string, host: string): boolean {
  return origin.toLowerCase() === `http://${host.toLowerCase()}`;
}

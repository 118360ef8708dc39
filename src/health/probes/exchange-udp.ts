import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { type Endpoint, formatAddress } from '../../address.js';
import { formatDuration } from '../../duration.js';
import { type Finding, WELL } from '../finding.js';
import { type Exchange, mismatch } from './exchange-tcp.js';
import { type Probe, ProbeError, probeErrorOf } from './probe.js';
import type { TcpTarget } from './wire.js';

export interface UdpTarget extends TcpTarget {
  readonly endpoint: Extract<Endpoint, { kind: 'ip' }>;
}

/**
 * Well when its reply to one datagram contains the expected bytes; the first reply decides. The socket is connected, so
 * that the kernel drops strangers' datagrams and reports ICMP "port unreachable" (as ECONNREFUSED).
 */
export function udpExchangeProbe({ endpoint, source, preamble }: UdpTarget, exchange: Exchange): Probe {
  const { host, port } = endpoint;
  const request = Buffer.concat([preamble, exchange.send]);
  const expect = Buffer.from(exchange.expect);
  const v6 = isIPv6(host);
  const bindTo = source !== '' && isIPv6(source) === v6 ? source : undefined;

  const check = (timeoutMs: number, signal?: AbortSignal): Promise<Finding> =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(new ProbeError('stopped'));
        return;
      }
      const socket = createSocket(v6 ? 'udp6' : 'udp4');
      let settled = false;
      const done = (failure?: ProbeError): void => {
        if (settled) return;
        settled = true;
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        socket.close();
        if (failure === undefined) resolve(WELL);
        else reject(failure);
      };
      const onAbort = (): void => done(new ProbeError('stopped'));
      const onError = (error: unknown): void => done(udpErrorOf(error));
      const timer = setTimeout(() => {
        done(
          new ProbeError(`timeout after ${formatDuration(timeoutMs)}: ${mismatch(expect, Buffer.alloc(0))}`),
        );
      }, timeoutMs);
      timer.unref();
      signal?.addEventListener('abort', onAbort, { once: true });
      socket.on('error', onError);
      socket.on('message', reply => {
        // An empty `expect` is met by any reply, an empty datagram included.
        done(
          reply.includes(expect) ? undefined : new ProbeError(mismatch(expect, reply, 'an empty datagram')),
        );
      });
      socket.once('connect', () => {
        socket.send(request, error => {
          if (error) onError(error);
        });
      });
      // bind and connect leave a literal address alone: no look-up. Done before close(), which a stop may bring.
      socket.bind({ port: 0, ...(bindTo !== undefined && { address: bindTo }) }, () => {
        if (!settled) socket.connect(port, host);
      });
    });

  return { description: `exchange udp ${formatAddress(endpoint)}`, check };
}

function udpErrorOf(error: unknown): ProbeError {
  const refused = error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED';
  return refused ? new ProbeError('port unreachable', { cause: error }) : probeErrorOf(error);
}

import type { ConnectionOptions } from 'node:tls';
import { formatAddress } from '../../address.js';
import { WELL } from '../finding.js';
import type { HealthSettings } from '../settings.js';
import { offersTls } from './postgres-hello.js';
import { PostgresSession } from './postgres-session.js';
import type { Probe } from './probe.js';
import { converse, type TcpTarget } from './wire.js';

/** Any handshake will do where nothing is said afterwards. */
const NO_QUESTIONS: ConnectionOptions = { rejectUnauthorized: false, minVersion: 'TLSv1.2' };

/** Without a user, whether the server answers; with one, also its role and its lag. */
export function postgresProbe(target: TcpTarget, settings: HealthSettings): Probe {
  if (settings.user !== undefined) return new PostgresSession(target, settings);
  return {
    description: `postgres ${formatAddress(target.endpoint)}`,
    check: (timeoutMs, signal) =>
      converse(target, timeoutMs, signal, async wire => {
        // A server that offers TLS logs an error when the handshake does not come.
        if (await offersTls(wire)) await wire.secure(NO_QUESTIONS);
        return WELL;
      }),
  };
}

import { formatAddress } from '../../address.js';
import type { Finding } from '../finding.js';
import type { HealthSettings } from '../settings.js';
import { quoteBytes } from './bytes.js';
import { passwordOf, tlsOf } from './login.js';
import { type Probe, ProbeError } from './probe.js';
import { replicationOf } from './redis-replication.js';
import { command, type Reply, RespError, RespReader } from './resp.js';
import { converse, type TcpTarget, type Wire } from './wire.js';

/**
 * Well when it answers PING; ROLE and INFO tell its role and its distance from its primary. Each check has a connection
 * of its own, so that a server that takes no more clients is seen as what it is.
 */
export function redisProbe(target: TcpTarget, settings: HealthSettings): Probe {
  return {
    description: `redis ${formatAddress(target.endpoint)}`,
    check: (timeoutMs, signal) =>
      converse(target, timeoutMs, signal, async wire => {
        // Files are read before anything is sent: the time that this takes is the probe's.
        const [password, tls] = await Promise.all([passwordOf(settings), tlsOf(settings, target.endpoint)]);
        if (tls !== undefined) await wire.secure(tls);
        return ask(wire, settings.user, password);
      }),
  };
}

async function ask(wire: Wire, user: string | undefined, password: string | undefined): Promise<Finding> {
  const reader = new RespReader();
  const next = async (what: string): Promise<Reply> => {
    wire.waiting = () => `: no answer to ${what}`;
    for (;;) {
      const reply = reader.next();
      if (reply !== undefined) return reply;
      const chunk = await wire.read();
      if (chunk === undefined) {
        throw new ProbeError(`expected an answer to ${what}, got end of connection`);
      }
      reader.push(chunk);
    }
  };
  if (password !== undefined) {
    wire.write(command('AUTH', ...(user === undefined ? [] : [user]), password));
  }
  wire.write(command('PING') + command('ROLE') + command('INFO', 'replication'));
  if (password !== undefined) refuse('AUTH', await next('AUTH'), 'OK');
  refuse('PING', await next('PING'), 'PONG');
  return replicationOf(await next('ROLE'), await next('INFO'));
}

/** Throws unless the reply is the word that it should be. Servers say plainly why not: LOADING, NOAUTH, MASTERDOWN. */
function refuse(what: string, reply: Reply, wanted: string): void {
  if (reply === wanted) return;
  const found = reply instanceof RespError ? reply.text : JSON.stringify(reply);
  throw new ProbeError(`${what} was answered with ${quoteBytes(Buffer.from(found))}`);
}

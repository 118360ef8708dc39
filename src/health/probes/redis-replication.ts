import type { Claim } from '../claim.js';
import type { Finding } from '../finding.js';
import { quoteBytes } from './bytes.js';
import { ProbeError } from './probe.js';
import { type Reply, RespError } from './resp.js';

/**
 * What the answers to ROLE and to INFO replication say. Pure.
 *
 * A replica whose link stands is as far behind as its primary has been silent (`master_last_io_seconds_ago`; an idle
 * primary says a word every `repl-ping-replica-period`, 10 s by default). One whose link is broken has been so since
 * `master_link_down_since_seconds`, or since its start, which is for ever. Throws ProbeError for a Sentinel.
 */
export function replicationOf(role: Reply, info: Reply): Finding {
  if (role instanceof RespError) {
    return { roleFault: `ROLE was answered with ${quoteBytes(Buffer.from(role.text))}` };
  }
  const [name] = Array.isArray(role) ? (role as readonly Reply[]) : [];
  const fields = typeof info === 'string' ? fieldsOf(info) : new Map<string, string>();
  if (name === 'master') return { role: 'primary', claim: claimOf(fields) };
  if (name === 'slave' || name === 'replica') return { role: 'replica', lagMs: lagOf(fields) };
  if (name === 'sentinel') throw new ProbeError('it is a Sentinel, not a Redis server');
  return { roleFault: `ROLE was answered with ${quoteBytes(Buffer.from(String(name)))}` };
}

/** A promoted replica has a history of its own, and names the one that it went on from. */
function claimOf(fields: ReadonlyMap<string, string>): Claim {
  const history = (key: string): string | undefined => {
    const text = fields.get(key) ?? '';
    return /^[0-9a-f]{40}$/.test(text) && !/^0+$/.test(text) ? text : undefined;
  };
  const offset = fields.get('master_repl_offset') ?? '';
  return {
    history: history('master_replid'),
    parent: history('master_replid2'),
    position: /^\d{1,19}$/.test(offset) ? BigInt(offset) : undefined,
  };
}

/** Undefined where the server does not say. */
function lagOf(fields: ReadonlyMap<string, string>): number | undefined {
  const seconds = (key: string): number | undefined => {
    const text = fields.get(key) ?? '';
    return /^-?\d{1,10}$/.test(text) ? Number(text) : undefined;
  };
  const isUp = fields.get('master_link_status') === 'up';
  const found = seconds(isUp ? 'master_last_io_seconds_ago' : 'master_link_down_since_seconds');
  if (found === undefined) return undefined;
  return found < 0 ? Number.POSITIVE_INFINITY : found * 1_000;
}

/** `key:value` lines. */
function fieldsOf(info: string): Map<string, string> {
  const lines = info.split('\r\n').filter(line => line.includes(':'));
  return new Map(lines.map(line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
}

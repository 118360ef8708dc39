import { formatAddress, type Target } from '../address.js';
import type { Found } from './entry.js';
import { compareAddresses } from './order.js';
import { lookupReason, type Resolver, type SrvRecord } from './resolver.js';

/** A target that DNS has to answer for. */
export type NamedTarget = Extract<Target, { kind: 'name' | 'srv' }>;

export interface Answer {
  readonly found: readonly Found[];
  /** Seconds until the answer should be asked for again; undefined where nobody told. */
  readonly ttl: number | undefined;
  /** What went wrong with a part of it, whose last good answer stands in; empty when nothing did. */
  readonly fault: string;
}

/**
 * Look a name up. Rejects when there is no usable answer at all. `id` is the entry's id; `previous` stands in for SRV
 * targets whose own look-up fails.
 */
export async function resolveTarget(
  target: NamedTarget,
  id: string,
  resolver: Resolver,
  previous: readonly Found[],
): Promise<Answer> {
  if (target.kind === 'srv') return resolveSrv(target.name, resolver, previous);
  const { found, ttl } = await addressesOf(target.host, target.port, id, resolver);
  return { found, ttl, fault: '' };
}

async function addressesOf(host: string, port: number, base: string, resolver: Resolver) {
  const records = await resolver.addresses(host);
  if (records.length === 0) throw new Error('no address for the name');
  const found: Found[] = records
    .map(({ address }) => ({
      base,
      endpoint: { kind: 'ip', host: address, port } as const,
      weight: 1,
      backup: false,
    }))
    .sort((a, b) => compareAddresses(a.endpoint, b.endpoint));
  const ttls = records.flatMap(({ ttl }) => (ttl === undefined ? [] : [ttl]));
  return { found, ttl: ttls.length === 0 ? undefined : Math.min(...ttls) };
}

/** Node does not tell the TTL of SRV records, and that of the targets says nothing about it. */
const SRV_TTL_S = 10;

/**
 * RFC 2782: the targets of the lowest priority are primaries, all others backups. A weight of 0 means "hardly any" there;
 * it counts as 1 here, the smallest share. A target's every address gets the target's weight.
 */
async function resolveSrv(name: string, resolver: Resolver, previous: readonly Found[]): Promise<Answer> {
  // A lone "." says that the service is not to be had.
  const records = (await resolver.srv(name)).filter(record => record.name !== '' && record.name !== '.');
  if (records.length === 0) throw new Error('no targets');
  const best = Math.min(...records.map(record => record.priority));
  const faults: string[] = [];
  const ttls: number[] = [];
  const groups = await Promise.all(
    records.map(async record => {
      const base = baseOf(record);
      const place = { weight: Math.max(1, record.weight), backup: record.priority > best };
      try {
        const { found, ttl } = await addressesOf(record.name, record.port, base, resolver);
        if (ttl !== undefined) ttls.push(ttl);
        return found.map(item => ({ ...item, ...place }));
      } catch (error) {
        faults.push(`${base}: ${lookupReason(error)}`);
        return previous.filter(item => item.base === base).map(item => ({ ...item, ...place }));
      }
    }),
  );
  const found = groups.flat().sort((a, b) => compareAddresses(a.endpoint, b.endpoint));
  const fault = faults.sort().join('; ');
  if (found.length === 0) throw new Error(fault);
  return { found, ttl: Math.min(SRV_TTL_S, ...ttls), fault };
}

function baseOf({ name, port }: SrvRecord): string {
  return formatAddress({ kind: 'name', host: name.replace(/\.$/, ''), port });
}

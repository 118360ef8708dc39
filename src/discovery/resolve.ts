import { formatAddress, isHostName, type Target } from '../address.js';
import { quote } from '../config/text.js';
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
  if (target.kind === 'srv') return bounded(await resolveSrv(target.name, resolver, previous));
  const { found, ttl } = await addressesOf(target.host, target.port, id, resolver);
  return bounded({ found, ttl, fault: '' });
}

/** Backends that one name may stand for, and SRV targets that are looked up: who answers is not always whom one trusts. */
const MAX_FOUND = 4_096;
const MAX_SRV_TARGETS = 256;

function bounded(answer: Answer): Answer {
  const { found, fault } = answer;
  if (found.length <= MAX_FOUND) return answer;
  const more = `${found.length} addresses, of which the first ${MAX_FOUND} are taken`;
  return { ...answer, found: found.slice(0, MAX_FOUND), fault: fault === '' ? more : `${fault}; ${more}` };
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
  const named = (await resolver.srv(name)).filter(record => record.name !== '' && record.name !== '.');
  if (named.length === 0) throw new Error('no targets');
  const { records, faults } = usableTargets(named);
  const best = Math.min(...records.map(record => record.priority));
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

/** The targets that can be looked up, the most preferred first, and what is wrong with the others. */
function usableTargets(named: readonly SrvRecord[]): { records: readonly SrvRecord[]; faults: string[] } {
  const usable = named.filter(({ name, port }) => isHostName(name) && port > 0);
  const bad = named.find(record => !usable.includes(record));
  const faults: string[] = [];
  if (bad !== undefined) {
    faults.push(`expected targets with a host name and a port, got ${quote(bad.name)} and ${bad.port}`);
  }
  if (usable.length <= MAX_SRV_TARGETS) return { records: usable, faults };
  faults.push(`${usable.length} targets, of which ${MAX_SRV_TARGETS} are looked up`);
  const records = usable.toSorted((a, b) => a.priority - b.priority || b.weight - a.weight);
  return { records: records.slice(0, MAX_SRV_TARGETS), faults };
}

function baseOf({ name, port }: SrvRecord): string {
  return formatAddress({ kind: 'name', host: name.replace(/\.$/, ''), port });
}

import { NODATA, NOTFOUND } from 'node:dns';
import { Resolver as DnsClient } from 'node:dns/promises';
import type { AddressRecord, Resolver } from './resolver.js';

/** One question to one server. */
const TIMEOUT_MS = 2_000;
const TRIES = 2;
/** When to ask again for the addresses of one family that could not be had this time. */
const RETRY_S = 5;

export interface DnsOptions {
  /** One question to one server, ms; 2,000 unless told. */
  readonly timeoutMs?: number;
  /** How often each server is asked; 2 unless told. */
  readonly tries?: number;
}

/**
 * DNS servers asked directly (`10.0.0.53`, `10.0.0.53:5353`, `[::1]:53`; none: those of /etc/resolv.conf), which tell TTLs; no
 * /etc/hosts, no search domains. When only one of A and AAAA can be had, the other's last good answer stands beside it.
 */
export function dnsResolver(servers: readonly string[] = [], options: DnsOptions = {}): Resolver {
  const dns = new DnsClient({ timeout: options.timeoutMs ?? TIMEOUT_MS, tries: options.tries ?? TRIES });
  if (servers.length > 0) dns.setServers(servers);
  const families = [
    new Family(host => dns.resolve4(host, { ttl: true })),
    new Family(host => dns.resolve6(host, { ttl: true })),
  ];
  return {
    addresses: async host => {
      const answers = await Promise.all(families.map(family => family.ask(host)));
      if (answers.some(({ fault }) => fault === undefined)) return answers.flatMap(({ records }) => records);
      // "No AAAA" says less than "the server failed on A".
      throw answers.find(({ fault }) => !isAbsent(fault))?.fault ?? answers[0]!.fault;
    },
    srv: name => dns.resolveSrv(name),
    cancel: () => dns.cancel(),
  };
}

interface FamilyAnswer {
  readonly records: readonly AddressRecord[];
  readonly fault?: unknown;
}

/** A or AAAA. A failure to answer is not an answer: the records of the last good one are still good. */
class Family {
  private readonly resolve: (host: string) => Promise<readonly AddressRecord[]>;
  private readonly last = new Map<string, readonly AddressRecord[]>();

  constructor(resolve: (host: string) => Promise<readonly AddressRecord[]>) {
    this.resolve = resolve;
  }

  async ask(host: string): Promise<FamilyAnswer> {
    try {
      const records = await this.resolve(host);
      this.last.set(host, records);
      return { records };
    } catch (fault) {
      if (isAbsent(fault)) this.last.delete(host);
      const records = this.last.get(host) ?? [];
      return { records: records.map(({ address }) => ({ address, ttl: RETRY_S })), fault };
    }
  }
}

/** The server knows that there is no such record. */
export function isAbsent(fault: unknown): boolean {
  const code = codeOf(fault);
  return code === NODATA || code === NOTFOUND;
}

export function codeOf(fault: unknown): unknown {
  return fault instanceof Error && 'code' in fault ? fault.code : undefined;
}

import { NODATA, NOTFOUND } from 'node:dns';
import { Resolver as DnsClient, lookup } from 'node:dns/promises';

export interface AddressRecord {
  readonly address: string;
  /** Seconds; absent where the resolver does not tell. */
  readonly ttl?: number;
}

export interface SrvRecord {
  readonly name: string;
  readonly port: number;
  /** Lower is preferred. */
  readonly priority: number;
  readonly weight: number;
}

/** Where names are looked up. Methods reject with Node's DNS errors (`code` ENOTFOUND, ESERVFAIL, …). */
export interface Resolver {
  /** Every IPv4 and IPv6 address of a name, in any order. */
  addresses(host: string): Promise<readonly AddressRecord[]>;
  srv(name: string): Promise<readonly SrvRecord[]>;
  /** Give up what is under way. */
  cancel(): void;
}

/**
 * The system's: names through getaddrinfo, so that /etc/hosts, search domains and whatever else nsswitch has work (it
 * tells no TTL and runs on libuv's four threads); SRV from the name servers of /etc/resolv.conf.
 */
export function systemResolver(): Resolver {
  const dns = new DnsClient();
  return {
    addresses: host => lookup(host, { all: true }),
    srv: name => dns.resolveSrv(name),
    cancel: () => dns.cancel(),
  };
}

/**
 * DNS servers asked directly (`10.0.0.53`, `10.0.0.53:5353`, `[::1]:53`), which tell TTLs; no /etc/hosts, no search
 * domains. When one of A and AAAA cannot be had, the other is the answer.
 */
export function dnsResolver(
  servers: readonly string[],
  options: { timeoutMs?: number; tries?: number } = {},
): Resolver {
  const dns = new DnsClient({ timeout: options.timeoutMs ?? 2_000, tries: options.tries ?? 2 });
  dns.setServers(servers);
  return {
    addresses: async host => {
      const answers = await Promise.allSettled([
        dns.resolve4(host, { ttl: true }),
        dns.resolve6(host, { ttl: true }),
      ]);
      const found = answers.flatMap(answer => (answer.status === 'fulfilled' ? answer.value : []));
      if (found.length > 0) return found;
      const faults = answers.flatMap(answer => (answer.status === 'rejected' ? [answer.reason] : []));
      // "No AAAA" says less than "the server failed on A".
      throw faults.find(fault => !isAbsent(fault)) ?? faults[0];
    },
    srv: name => dns.resolveSrv(name),
    cancel: () => dns.cancel(),
  };
}

function isAbsent(fault: unknown): boolean {
  const code = fault instanceof Error && 'code' in fault ? fault.code : undefined;
  return code === NODATA || code === NOTFOUND;
}

const REASONS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'name not found',
  ENODATA: 'no address for the name',
  ESERVFAIL: 'the name server failed',
  EREFUSED: 'the name server refused to answer',
  ECONNREFUSED: 'no name server reachable',
  ETIMEOUT: 'no answer from the name server',
  EAI_AGAIN: 'no answer from the name server for now',
};

/** A look-up's error in plain words. */
export function lookupReason(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return REASONS[code] ?? (error instanceof Error ? error.message : String(error));
}
